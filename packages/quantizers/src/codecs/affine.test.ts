import { fc, test } from "@fast-check/vitest";
import type { AffineScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock, encodedBytes } from "../block.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "../test-support/hostile-numbers.ts";

const TOKENS = 64;
const HEAD_SIZE = 128;

const scheme: AffineScheme = {
  kind: "affine",
  bits: 2,
  format: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "none",
};

/** Numbers with the heavy tails of keys and values: each row has its own spread, and a few numbers stick out. */
const heavyTailed = (): Float32Array => {
  const random = mulberry32(7);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float32Array.from({ length: TOKENS * HEAD_SIZE }, (_, index) => {
    const spread = 1 + (Math.floor(index / HEAD_SIZE) % 5);
    return spread * normal() * (random() < 0.02 ? 6 : 1);
  });
};

const decoded = (x: Float32Array, own: AffineScheme): Float32Array =>
  decodeBlock(encodeBlock(x, TOKENS, HEAD_SIZE, own), TOKENS, HEAD_SIZE, own);

const meanSquare = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Array.from(x).reduce((sum, number, index) => sum + (number - y[index]!) ** 2, 0) / x.length;

/** Rounds rows to levels from `bottom` in `steps` steps up to `top`, in double precision. */
const rounded = (row: readonly number[], bottom: number, top: number, steps: number): number[] =>
  row.map((x) => {
    const step = (top - bottom) / steps;
    const code = Math.round((Math.min(Math.max(x, bottom), top) - bottom) / step);
    return bottom + code * step;
  });

const inRows = (x: Float32Array, of: (row: readonly number[]) => number[]): number[] =>
  Array.from({ length: TOKENS }, (_, token) => of([...x.subarray(token * HEAD_SIZE, (token + 1) * HEAD_SIZE)])).flat();

describe("clips as in the papers, in double precision", () => {
  const x = heavyTailed();

  it.each([0.96, 0.92])("OSCAR cuts a row at the share %f of its magnitudes", (clip) => {
    const expected = inRows(x, (row) => {
      const limit = row.map(Math.abs).sort((a, b) => a - b)[Math.trunc(clip * HEAD_SIZE)]!;
      const cut = row.map((number) => Math.min(Math.max(number, -limit), limit));
      return rounded(row, Math.min(...cut), Math.max(...cut), 3);
    });
    const own = decoded(x, { ...scheme, clip, clipRule: "magnitude" });
    expect(meanSquare(x, own) / meanSquare(x, expected)).toBeCloseTo(1, 2);
    expect(meanSquare(x, own)).toBeLessThan(meanSquare(x, decoded(x, scheme)));
  });

  it.each([
    [1, 0.4],
    [2, 0.75],
    [4, 0.9],
  ] as const)("%d bits of a range that shrinks to %f", (bits, clip) => {
    const expected = inRows(x, (row) => {
      const [least, most] = [Math.min(...row), Math.max(...row)];
      const inset = ((1 - clip) / 2) * (most - least);
      return rounded(row, least + inset, most - inset, 2 ** bits - 1);
    });
    const own = decoded(x, { ...scheme, bits, clip });
    expect(meanSquare(x, own) / meanSquare(x, expected)).toBeCloseTo(1, 2);
  });

  it("symmetric codes span a share of the largest magnitude", () => {
    const expected = inRows(x, (row) => {
      const most = 0.7 * Math.max(...row.map(Math.abs));
      return rounded(row, -most, most, 6);
    });
    const own = decoded(x, { ...scheme, bits: 3, format: "symmetric", clip: 0.7 });
    expect(meanSquare(x, own) / meanSquare(x, expected)).toBeCloseTo(1, 2);
  });
});

test.prop([fc.constantFrom(0.96, 0.5), fc.constantFrom("range" as const, "magnitude" as const), anyHostility])(
  "numbers come back between the ends of the clipped range, which never exceeds the group's",
  (clip, clipRule, hostility) => {
    const x = hostileNumbers(hostility, HEAD_SIZE, 60_000);
    const own = { ...scheme, bits: 4 as const, clip, clipRule };
    const y = decodeBlock(encodeBlock(x, 1, HEAD_SIZE, own), 1, HEAD_SIZE, own);
    const [least, most] = [Math.min(...x), Math.max(...x)];
    const rounding = 2 ** -9 * Math.max(-least, most) + 2 ** -20;
    expect(Math.min(...y)).toBeGreaterThanOrEqual(least - rounding);
    expect(Math.max(...y)).toBeLessThanOrEqual(most + rounding);
  },
);

describe("parameters in two levels", () => {
  const TWO: AffineScheme = { ...scheme, bits: 4, groupSize: 32, blockSize: 32, parameters: "two-level" };

  it("of groups of 32 take about half a bit a number, and lose little", () => {
    const x = heavyTailed();
    const sixteen = { ...TWO, parameters: "float16" as const };
    expect((8 * encodedBytes(TOKENS, HEAD_SIZE, TWO)) / x.length).toBe(4 + 0.5 + 32 / (32 * HEAD_SIZE));
    expect((8 * encodedBytes(TOKENS, HEAD_SIZE, sixteen)) / x.length).toBe(5);
    expect(meanSquare(x, decoded(x, TWO)) / meanSquare(x, decoded(x, sixteen))).toBeLessThan(1.05);
  });

  it("follow the formula in double precision", () => {
    const x = heavyTailed();
    const groups = Array.from({ length: x.length / 32 }, (_, group) => [...x.subarray(32 * group, 32 * group + 32)]);
    const expected = Array.from({ length: TOKENS / 32 }, (_, block) => {
      const own = groups.slice(block * HEAD_SIZE, (block + 1) * HEAD_SIZE);
      const minimumUnit = Math.max(...own.map((group) => Math.abs(Math.min(...group)))) / 127;
      const minima = own.map((group) => Math.floor(Math.min(...group) / minimumUnit + 1e-9) * minimumUnit);
      const steps = own.map((group, index) => (Math.max(...group) - minima[index]!) / 15);
      const scaleUnit = Math.max(...steps) / 255;
      return own.map((group, index) => {
        const step = Math.ceil(steps[index]! / scaleUnit - 1e-9) * scaleUnit;
        return rounded(group, minima[index]!, minima[index]! + 15 * step, 15);
      });
    });
    expect(meanSquare(x, decoded(x, TWO)) / meanSquare(x, expected.flat(2))).toBeCloseTo(1, 1);
  });

  it("keep constant and zero groups among others to a step of their block", () => {
    const x = heavyTailed().fill(0, 0, 32).fill(3, 32, 64);
    const most = Math.max(...x.subarray(0, 32 * HEAD_SIZE).map(Math.abs));
    const y = decoded(x, TWO);
    for (let index = 0; index < 64; index++) expect(Math.abs(x[index]! - y[index]!)).toBeLessThanOrEqual(most / 255);
  });

  it("have one pair for each channel of a block on axis channel", () => {
    const channel: AffineScheme = { ...TWO, axis: "channel", groupSize: 16, blockSize: 64 };
    const block = encodeBlock(heavyTailed(), TOKENS, HEAD_SIZE, channel);
    expect(block["scaleUnits"]).toHaveLength(HEAD_SIZE);
    expect(block["scales"]).toHaveLength((HEAD_SIZE * TOKENS) / 16);
    const symmetric = encodeBlock(heavyTailed(), TOKENS, HEAD_SIZE, { ...TWO, format: "symmetric" });
    expect(Object.keys(symmetric)).toEqual(["codes", "scales", "scaleUnits"]);
  });
});

it("1 bit has no symmetric form", () => {
  expect(() => encodeBlock(new Float32Array(8), 1, 8, { ...scheme, bits: 1, format: "symmetric" })).toThrow(
    expect.objectContaining({ code: "QUANTIZER_SCHEME" }),
  );
});
