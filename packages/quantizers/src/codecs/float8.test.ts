import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import type { SchemeOf } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock } from "../block.ts";
import { fakeQuantize } from "../fake-quantize.ts";
import { anyHostility, hostileNumbers } from "../test-support/hostile-numbers.ts";
import { float8FromNumber, numberFromFloat8, roundToFloat8 } from "./float8.ts";

type Float8Scheme = SchemeOf<"float8">;

interface Vectors {
  readonly numbers: string;
  readonly x: string;
  readonly codes: string;
}

/** Made by tools/float8-vectors.py with ml_dtypes. */
const vectors = JSON.parse(readFileSync(new URL("../float8-vectors.json", import.meta.url), "utf8")) as Record<
  "e4m3" | "e5m2",
  Vectors
>;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, "base64"));
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);

describe.each(["e4m3", "e5m2"] as const)("%s, compared with ml_dtypes", (format) => {
  it("decodes all 256 codes", () => {
    const numbers = floatsOf(vectors[format].numbers);
    expect(numbers).toHaveLength(256);
    for (const [code, number] of numbers.entries())
      expect([code, numberFromFloat8(code, format)]).toEqual([code, number]);
  });

  it("rounds 10,000 numbers, ties among them", () => {
    const [x, codes] = [floatsOf(vectors[format].x), bytesOf(vectors[format].codes)];
    expect(x).toHaveLength(10_000);
    const wrong = [...x.keys()].filter((index) => float8FromNumber(x[index]!, format) !== codes[index]);
    expect(wrong).toEqual([]);
    const decoded = [...x.keys()].filter(
      (index) => !Object.is(roundToFloat8(x[index]!, format), numberFromFloat8(codes[index]!, format)),
    );
    expect(decoded).toEqual([]);
  });

  it("clamps to its largest number", () => {
    const largest = format === "e4m3" ? 448 : 57_344;
    for (const beyond of [1.01, 1.2, 1e30])
      expect(numberFromFloat8(float8FromNumber(-beyond * largest, format), format)).toBe(-largest);
  });
});

const HEADS = 2;
const anyFloat8: fc.Arbitrary<Float8Scheme> = fc
  .record({
    format: fc.constantFrom("e4m3", "e5m2"),
    scope: fc.constantFrom("tensor", "head", "token"),
    isFixed: fc.boolean(),
    scale: fc.constantFrom(0.001, 0.37, 200),
    blockSize: fc.constantFrom(1, 7, 32),
  })
  .map(({ format, scope, isFixed, scale, blockSize }) => ({
    kind: "float8",
    format,
    scope,
    scales: scope === "tensor" ? [scale] : scope === "head" && isFixed ? [scale, 2 * scale] : "dynamic",
    blockSize,
  }));

const ofHead = (scheme: Float8Scheme, head: number): Float8Scheme =>
  scheme.scope === "head" && scheme.scales !== "dynamic"
    ? { ...scheme, scope: "tensor", scales: [scheme.scales[head]!] }
    : scheme;

test.prop([
  fc.constantFrom("e4m3" as const, "e5m2" as const),
  fc.integer({ min: -2020, max: 1515 }).map((n) => n / 101),
])("a dynamic scale keeps the largest number to half a step, however small it is", (format, exponent) => {
  const scheme: Float8Scheme = { kind: "float8", format, scope: "token", scales: "dynamic", blockSize: 1 };
  const x = new Float32Array(16).fill(2 ** exponent);
  const halfStep = format === "e4m3" ? 2 ** -4 : 2 ** -3;
  for (const number of decodeBlock(encodeBlock(x, 1, 16, scheme), 1, 16, scheme))
    expect(Math.abs(number / x[0]! - 1)).toBeLessThanOrEqual(halfStep);
});

test.prop([anyFloat8, fc.constantFrom(16, 80), fc.integer({ min: 1, max: 3 }), anyHostility], { numRuns: 200 })(
  "whole blocks equal decoded packed blocks, within their bounds",
  (scheme, headSize, blocks, hostility) => {
    const tokens = blocks * scheme.blockSize;
    const source = hostileNumbers(hostility, tokens * HEADS * headSize, 5000);
    const target = new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads: HEADS, headSize }, scheme);
    for (let head = 0; head < HEADS; head++) {
      const own = ofHead(scheme, head);
      const [x, expected] = [source, target].map((rows) =>
        rows.filter((_, index) => Math.floor(index / headSize) % HEADS === head),
      );
      const decoded = decodeBlock(encodeBlock(x!, tokens, headSize, own), tokens, headSize, own);
      expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(expected!.buffer));
      const { numbers } = blockErrorBounds(x!, tokens, headSize, own);
      for (const [index, number] of x!.entries())
        expect(Math.abs(number - decoded[index]!)).toBeLessThanOrEqual(numbers[index]!);
    }
  },
);
