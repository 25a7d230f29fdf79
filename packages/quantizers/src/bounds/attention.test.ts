import { fc, test } from "@fast-check/vitest";
import type { TensorScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock } from "../block.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "../test-support/hostile-numbers.ts";
import { anyScheme } from "../test-support/schemes.ts";
import { attentionOutputBound, attentionWeightBound } from "./attention.ts";
import { scoreErrorBound } from "./score.ts";

/** Tolerance for the reference's own rounding, relative to 1. */
const ROUNDING = 1e-12;
const HEAD_SIZE = 32;

const softmax = (scores: readonly number[]): number[] => {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
};

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, index) => sum + x * b[index]!, 0);

const distance = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, index) => sum + Math.abs(x - b[index]!), 0);

const row = <T extends Float32Array | Float64Array>(rows: T, token: number): T =>
  rows.subarray(token * HEAD_SIZE, (token + 1) * HEAD_SIZE) as T;

/** Keys or values `[tokens, HEAD_SIZE]` before and after encoding, with their bounds. */
const stored = (x: Float32Array, tokens: number, scheme: TensorScheme) => ({
  x,
  decoded: decodeBlock(encodeBlock(x, tokens, HEAD_SIZE, scheme), tokens, HEAD_SIZE, scheme),
  bounds: blockErrorBounds(x, tokens, HEAD_SIZE, scheme),
});

test.prop([anyScheme, anyScheme, anyHostility, anyHostility, fc.integer({ min: 1, max: 40 }), fc.nat()], {
  numRuns: 400,
})(
  "scores, weights and outputs of a real cache stay within their bounds",
  (keyScheme, valueScheme, keyKind, valueKind, tokens, seed) => {
    const random = mulberry32(seed);
    const query = Float64Array.from({ length: HEAD_SIZE }, () => (random() - 0.5) / 4);
    const key = stored(hostileNumbers(keyKind, tokens * HEAD_SIZE, 100), tokens, keyScheme);
    const value = stored(hostileNumbers(valueKind, tokens * HEAD_SIZE, 1e4), tokens, valueScheme);
    const positions = Array.from({ length: tokens }, (_, token) => token);
    const scores = positions.map((token) => dot(query, row(key.x, token)));
    const movedScores = positions.map((token) => dot(query, row(key.decoded, token)));
    const scoreErrors = positions.map((token) =>
      scoreErrorBound(query, { numbers: row(key.bounds.numbers, token), norm: key.bounds.vectors[token]! }),
    );
    for (const token of positions)
      expect(Math.abs(scores[token]! - movedScores[token]!)).toBeLessThanOrEqual(scoreErrors[token]! + 100 * ROUNDING);
    const [weights, movedWeights] = [softmax(scores), softmax(movedScores)];
    for (const own of [undefined, weights, movedWeights])
      expect(distance(weights, movedWeights)).toBeLessThanOrEqual(
        attentionWeightBound(scoreErrors, own) + 100 * ROUNDING,
      );
    const weightBound = attentionWeightBound(scoreErrors, weights);
    const bound = attentionOutputBound({
      weights,
      weightBound,
      values: value.decoded,
      valueBounds: value.bounds.numbers,
    });
    for (let channel = 0; channel < HEAD_SIZE; channel++) {
      const column = (rows: Float32Array): number[] => positions.map((token) => rows[token * HEAD_SIZE + channel]!);
      const error = dot(weights, column(value.x)) - dot(movedWeights, column(value.decoded));
      expect(Math.abs(error)).toBeLessThanOrEqual(bound[channel]! + 1e4 * ROUNDING);
    }
  },
);

const token = fc.record({
  score: fc.integer({ min: -400, max: 400 }).map((n) => n / 101),
  shift: fc.constantFrom(-1, 1, 0.5, 0),
  bound: fc.constantFrom(0, 1e-6, 0.1, 1, 6),
});

test.prop([fc.array(token, { minLength: 1, maxLength: 12 })], { numRuns: 2000 })(
  "weights stay within the bound when every score has its largest error",
  (tokens) => {
    const weights = softmax(tokens.map(({ score }) => score));
    const moved = softmax(tokens.map(({ score, shift, bound }) => score + shift * bound));
    const bounds = tokens.map(({ bound }) => bound);
    for (const own of [undefined, weights, moved])
      expect(distance(weights, moved)).toBeLessThanOrEqual(attentionWeightBound(bounds, own) + ROUNDING);
  },
);

describe("the bounds are tight", () => {
  it.each([1e-3, 0.1, 1, 5])(
    "two tokens whose scores move apart by %d each reach the bounds of weights and outputs",
    (error) => {
      const scores = [-error, 0];
      const [weights, moved] = [softmax(scores), softmax([scores[0]! + error, scores[1]! - error])];
      const weightBound = attentionWeightBound([error, error], weights);
      expect(distance(weights, moved)).toBeGreaterThanOrEqual(0.99 * attentionWeightBound([error, error]));
      const values = [3, -2];
      const bound = attentionOutputBound({ weights, weightBound, values, valueBounds: [0.25, 0.25] });
      const output = dot(moved, values) - dot(weights, [3 - 0.25, -2 - 0.25]);
      expect(Math.abs(output)).toBeGreaterThanOrEqual(0.99 * bound[0]!);
      expect(Math.abs(output)).toBeLessThanOrEqual(bound[0]! + ROUNDING);
    },
  );

  it("one quantized key among many counts by its own weight", () => {
    const scores = Array.from({ length: 100 }, () => 0);
    const errors = scores.map((_, index) => (index === 0 ? 0.01 : 0));
    const [weights, moved] = [softmax(scores), softmax(scores.map((score, index) => score + errors[index]!))];
    const bound = attentionWeightBound(errors, weights);
    expect(distance(weights, moved)).toBeGreaterThanOrEqual(0.9 * bound);
    expect(bound).toBeLessThan(0.05 * attentionWeightBound(errors));
  });

  it("a query along an error reaches the score's bound, by numbers and by norm", () => {
    expect(scoreErrorBound([0, -2], { numbers: [7, 0.5], norm: 9 })).toBeCloseTo(1);
    expect(scoreErrorBound([3, 4], { numbers: [7, 7], norm: 2 })).toBeCloseTo(10);
  });
});
