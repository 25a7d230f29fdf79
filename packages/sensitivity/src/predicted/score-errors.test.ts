import { fc, test } from "@fast-check/vitest";
import { plainAttention } from "@kvtuner/plan";
import { expect, it } from "vitest";
import { drawRows, type LayerDistribution } from "./layer-distribution.ts";
import { outlierChannels } from "./outlier-channels.ts";
import { drawKeys, type KeyCoder, predictScoreErrors, type PredictionInput } from "./score-errors.ts";

const HEAD = 16;
const SHAPE = { queryHeads: 4, kvHeads: 2, headSize: HEAD };
const frequencies = Float64Array.from({ length: HEAD / 2 }, (_, pair) => 100 ** ((-2 * pair) / HEAD));

const channels = (heads: number, mean: number, deviation: number): { mean: Float64Array; deviation: Float64Array } => ({
  mean: new Float64Array(heads * HEAD).fill(mean),
  deviation: new Float64Array(heads * HEAD).fill(deviation),
});

const input = (distribution: Partial<LayerDistribution> = {}, attention = plainAttention(HEAD)): PredictionInput => ({
  distribution: { query: channels(4, 0, 1), key: channels(2, 0, 1), ropeFrequencies: frequencies, ...distribution },
  shape: SHAPE,
  attention,
});

const errorOf = (prediction: PredictionInput, roundTrip: KeyCoder["roundTrip"]): number =>
  predictScoreErrors(prediction, [{ id: "coder", roundTrip }]).get("coder")!;

/** Moves channel `c` of token `t` up or down by `step`, in a fixed pattern without correlation. */
const jitter =
  (step: number): KeyCoder["roundTrip"] =>
  (keys) =>
    keys.map((x, at) => x + (Math.imul(at, 2_654_435_761) & (1 << 20) ? step : -step));

it("exact keys, and a shift that all tokens share, cause no error", () => {
  expect(errorOf(input(), (keys) => keys)).toBe(0);
  expect(errorOf(input(), (keys) => keys.map((x, at) => x + Math.sin(at % (2 * HEAD))))).toBeLessThan(1e-6);
});

it("keys that cannot be coded cause an infinite error", () => {
  expect(errorOf(input(), () => undefined)).toBe(Infinity);
});

test.prop([fc.double({ min: 0.01, max: 2, noNaN: true }), fc.double({ min: 0.1, max: 5, noNaN: true })], {
  numRuns: 5,
})("independent errors of a known size add up to sqrt(scale^2 E|q|^2 step^2)", (step, deviation) => {
  const expected = plainAttention(HEAD).scale * Math.sqrt(HEAD) * deviation * step;
  const error = errorOf(input({ query: channels(4, 0, deviation) }), jitter(step));
  expect(error / expected).toBeGreaterThan(0.75);
  expect(error / expected).toBeLessThan(1.25);
});

it("a softcap caps the error too", () => {
  const capped = { ...plainAttention(HEAD), softcap: 0.01 };
  expect(errorOf(input({}, capped), jitter(1))).toBeLessThan(0.02);
});

test.prop([fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: -300, max: 300 }).map((n) => n / 101)], {
  numRuns: 5,
})(
  "drawn rows have the given mean and deviation, and RoPE scales the length of pairs by its magnitude only",
  (seed, mean) => {
    const layer: LayerDistribution = { query: channels(4, 0, 1), key: channels(2, mean, 0.5) };
    const positions = Int32Array.from({ length: 500 }, (_, position) => position);
    const rows = drawRows(layer, "key", HEAD, positions, seed);
    const average = rows.reduce((sum, x) => sum + x, 0) / rows.length;
    const variance = rows.reduce((sum, x) => sum + (x - average) ** 2, 0) / rows.length;
    expect(Math.abs(average - mean)).toBeLessThan((5 * 0.5) / Math.sqrt(rows.length));
    expect(Math.abs(Math.sqrt(variance) / 0.5 - 1)).toBeLessThan(5 / Math.sqrt(2 * rows.length));
    const turned = { ...layer, ropeFrequencies: frequencies, ropeMagnitude: 2 };
    const rotated = drawRows(turned, "key", HEAD, positions, seed);
    expect(rotated).not.toEqual(rows);
    for (let at = 0; at < rows.length; at += HEAD)
      for (let pair = 0; pair < HEAD / 2; pair++) {
        const length = (of: Float32Array): number => Math.hypot(of[at + pair]!, of[at + pair + HEAD / 2]!);
        expect(length(rotated)).toBeCloseTo(2 * length(rows), 4);
      }
  },
);

it("head norms set the root mean square of each head", () => {
  const weights = new Float64Array(HEAD).fill(3);
  const rows = drawKeys(input({ key: channels(2, 10, 40), norms: { query: weights, key: weights } }));
  for (let at = 0; at < rows.length; at += HEAD)
    expect(Math.hypot(...rows.subarray(at, at + HEAD)) / Math.sqrt(HEAD)).toBeCloseTo(3, 4);
});

it("finds the channels with a large bias, and their partners under RoPE", () => {
  expect(outlierChannels(drawKeys(input()), SHAPE, 4)).toEqual([]);
  const { mean, deviation } = channels(2, 0, 1);
  const key = { mean: mean.map((_, channel) => (channel === HEAD + 3 ? 50 : 0)), deviation };
  const { query } = input().distribution;
  expect(outlierChannels(drawKeys({ shape: SHAPE, distribution: { query, key } }), SHAPE, 4)).toEqual([HEAD + 3]);
  expect(outlierChannels(drawKeys(input({ key })), SHAPE, 4)).toEqual([HEAD + 3, HEAD + 3 + HEAD / 2]);
});
