import { fc, test } from "@fast-check/vitest";
import { type AffineScheme, FLOAT16, type TensorScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "./block-error-bounds.ts";
import { blockRows } from "./block-rows.ts";
import { decodeBlock, encodeBlock } from "./block.ts";
import { groupErrorBound, rangeErrorBound } from "./bounds/group.ts";
import { MAX_FLOAT16 } from "./float16.ts";
import { groupParameters, magnitudeLimit } from "./group.ts";
import { transformed } from "./hadamard.ts";
import { anyHostility, hostileNumbers } from "./test-support/hostile-numbers.ts";
import { anyAffine, anyScheme, everyScheme, HEAD_SIZES } from "./test-support/schemes.ts";

/** A transform of n numbers can enlarge one of them by the square root of n. */
const limitOf = (scheme: TensorScheme, headSize: number): number =>
  !("transform" in scheme) || scheme.transform === "none" ? MAX_FLOAT16 : MAX_FLOAT16 / Math.sqrt(headSize) / 1.001;

/** Largest error relative to its bound, over numbers and head vectors. */
const reached = (x: Float32Array, tokens: number, headSize: number, scheme: TensorScheme) => {
  const decoded = decodeBlock(encodeBlock(x, tokens, headSize, scheme), tokens, headSize, scheme);
  const bounds = blockErrorBounds(x, tokens, headSize, scheme);
  const errors = Float64Array.from(x, (number, index) => Math.abs(number - decoded[index]!));
  const norms = bounds.vectors.map((_, token) =>
    Math.hypot(...errors.subarray(token * headSize, (token + 1) * headSize)),
  );
  return { numbers: largestShare(errors, bounds.numbers), vectors: largestShare(norms, bounds.vectors) };
};

const largestShare = (errors: Float64Array, bounds: Float64Array): number =>
  errors.reduce((largest, error, index) => Math.max(largest, error === 0 ? 0 : error / bounds[index]!), 0);

test.prop([anyScheme, fc.constantFrom(...HEAD_SIZES), fc.integer({ min: 1, max: 70 }), anyHostility], {
  numRuns: 400,
})("no hostile block breaks the bounds of its numbers and head vectors", (scheme, headSize, tokens, hostility) => {
  const x = hostileNumbers(hostility, tokens * headSize, limitOf(scheme, headSize));
  const share = reached(x, tokens, headSize, scheme);
  expect(share.numbers).toBeLessThanOrEqual(1);
  expect(share.vectors).toBeLessThanOrEqual(1);
});

const oneGroup = (scheme: AffineScheme, count: number): AffineScheme => ({
  ...scheme,
  axis: "token",
  groupSize: count,
  transform: "none",
  signs: "none",
  parameters: "float16",
});

test.prop([anyAffine, fc.integer({ min: 1, max: 40 }), anyHostility], { numRuns: 3000 })(
  "no hostile group breaks its bound, and the closed form is never below it",
  (anyOf, count, hostility) => {
    const scheme = oneGroup(anyOf, count);
    const x = hostileNumbers(hostility, count, MAX_FLOAT16);
    const decoded = decodeBlock(encodeBlock(x, 1, count, scheme), 1, count, scheme);
    const [smallest, largest] = [Math.min(...x), Math.max(...x)];
    const magnitude = Math.max(-smallest, largest);
    const limit = magnitudeLimit(x, 0, count, scheme);
    const bound = groupErrorBound(smallest, largest, scheme, limit);
    for (const [index, number] of x.entries()) expect(Math.abs(number - decoded[index]!)).toBeLessThanOrEqual(bound);
    const range = scheme.format === "affine" ? largest - smallest : magnitude;
    const plain = { ...scheme, clip: 1 };
    expect(groupErrorBound(smallest, largest, plain)).toBeLessThanOrEqual(rangeErrorBound(range, magnitude, plain));
  },
);

/** Numbers almost half a step of 1 away from their codes, all in one direction, except at both ends of each group's range. */
const halfSteps = (tokens: number, headSize: number, scheme: AffineScheme): Float32Array => {
  const numbers = new Float32Array(tokens * headSize).fill(0.498);
  const { lowest, highest } = groupParameters(scheme);
  for (const { groups } of blockRows(tokens, headSize, scheme))
    for (const { offset, stride } of groups) {
      numbers[offset] = lowest;
      numbers[offset + stride] = highest;
    }
  return numbers;
};

const PAIR_OF_NUMBERS: AffineScheme = {
  kind: "affine",
  bits: 8,
  format: "affine",
  axis: "token",
  groupSize: 2,
  blockSize: 1,
  transform: "none",
};

describe("the bounds are tight: some block reaches 90% of them", () => {
  it.each(everyScheme().map((scheme) => [JSON.stringify(scheme), scheme] as const))("%s", (_, scheme) => {
    for (const headSize of HEAD_SIZES) {
      const tokens = scheme.blockSize;
      const numbers = halfSteps(tokens, headSize, scheme);
      const x = scheme.transform === "hadamard" ? transformed(numbers, headSize) : numbers;
      const share = reached(x, tokens, headSize, scheme);
      expect(share.numbers).toBeGreaterThanOrEqual(0.9);
      expect(share.vectors).toBeGreaterThanOrEqual(0.9);
    }
  });

  it.each(everyScheme())("in closed form: $bits bits, $format", (scheme) => {
    const { lowest, highest } = groupParameters(scheme);
    const group = oneGroup(scheme, 3);
    const x = Float32Array.of(lowest, 0.498, highest);
    const error = Math.abs(0.498 - decodeBlock(encodeBlock(x, 1, 3, group), 1, 3, group)[1]!);
    expect(error).toBeGreaterThanOrEqual(0.9 * rangeErrorBound(highest, highest, scheme));
  });

  it("where the rounding of the minimum is all there is", () => {
    for (const x of [
      Float32Array.of(1000.24, 1000.25),
      Float32Array.of(1000.26, 1000.27),
      Float32Array.of(2 ** -25, 2 ** -26),
    ])
      expect(reached(x, 1, 2, PAIR_OF_NUMBERS).numbers).toBeGreaterThanOrEqual(0.9);
  });

  it("where the scale is rounded to float16's subnormals", () => {
    const x = Float32Array.of(0, 255 * 1.49 * 2 ** -24);
    expect(reached(x, 1, 2, PAIR_OF_NUMBERS).numbers).toBeGreaterThanOrEqual(0.9);
  });

  it("float16", () => {
    expect(reached(Float32Array.of(1 + 2 ** -11), 1, 1, FLOAT16).numbers).toBeGreaterThanOrEqual(0.9);
    expect(reached(Float32Array.of(2 ** -25), 1, 1, FLOAT16).numbers).toBeGreaterThanOrEqual(0.9);
  });
});
