import { createHash } from "node:crypto";
import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { float16FromNumber, numberFromFloat16, roundArrayToFloat16, roundToFloat16 } from "./float16.ts";

const PATTERNS = Array.from({ length: 65_536 }, (_, bits) => bits);

it("reads all 65536 patterns as NumPy does", () => {
  const numbers = Float32Array.from(PATTERNS, numberFromFloat16).map((x) => (Number.isNaN(x) ? 7 : x));
  // np.arange(65536, dtype="u2").view("f2").astype("<f4"), NaN replaced by 7
  expect(createHash("sha256").update(new Uint8Array(numbers.buffer)).digest("hex")).toBe(
    "605af09d3afe6be03972175cc61439cc6d8d45bf4368ba87a8f204186ca0786f",
  );
});

it("writes every number it reads back as the same pattern", () => {
  const written = PATTERNS.map((bits) => float16FromNumber(numberFromFloat16(bits)));
  const wrong = PATTERNS.filter((bits) => written[bits] !== (Number.isNaN(numberFromFloat16(bits)) ? 0x7e00 : bits));
  expect(wrong).toEqual([]);
});

/** The float32 `steps` steps above `x`. */
const neighbour = (x: number, steps: number): number =>
  new Float32Array(Uint32Array.of(new Uint32Array(Float32Array.of(x).buffer)[0]! + steps).buffer)[0]!;

it("rounds the middle of every two neighbours to the even one, and other numbers to the nearer", () => {
  const wrong = PATTERNS.slice(0, 0x7bff).filter((bits) => {
    const middle = (numberFromFloat16(bits) + numberFromFloat16(bits + 1)) / 2;
    const around = [neighbour(middle, -1), middle, neighbour(middle, 1)];
    const expected = [bits, bits + (bits & 1), bits + 1];
    const codes = [around.map((x) => float16FromNumber(x)), around.map((x) => float16FromNumber(-x) ^ 0x8000)];
    return codes.some((row) => row.some((code, index) => code !== expected[index]));
  });
  expect(wrong).toEqual([]);
});

it("overflows from 65520 on", () => {
  expect(roundToFloat16(65_519.996)).toBe(65_504);
  expect(roundToFloat16(65_520)).toBe(Infinity);
  expect(roundToFloat16(-1e30)).toBe(-Infinity);
  expect(roundToFloat16(Infinity)).toBe(Infinity);
  expect(roundToFloat16(NaN)).toBeNaN();
});

const anyFloat32 = fc.array(fc.nat({ max: 0xffffffff }), { minLength: 1, maxLength: 40 });

test.prop([anyFloat32], { numRuns: 2000, examples: [[[0x7fffffff, 0xffffffff, 0x7f800001, 0x80000001]]] })(
  "an array is rounded like its numbers, also in place",
  (words) => {
    const source = new Float32Array(Uint32Array.from(words).buffer);
    const expected = source.map((x) => numberFromFloat16(float16FromNumber(x)));
    const target = new Float32Array(source.length);
    roundArrayToFloat16(source, target);
    roundArrayToFloat16(source, source);
    for (const [index, x] of expected.entries()) {
      expect(target[index]).toBe(x);
      expect(source[index]).toBe(x);
      expect(roundToFloat16(x)).toBe(x);
    }
  },
);
