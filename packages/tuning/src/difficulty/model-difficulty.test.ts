import { fc, test } from "@fast-check/vitest";
import type { LayerDistribution } from "@kvtuner/sensitivity";
import { expect, it } from "vitest";
import { difficultyWarning, layerList } from "./difficulty-warning.ts";
import { type CodingDifficulty, modelDifficulty, type ModelDifficulty } from "./model-difficulty.ts";

const HEAD = 32;
const SHAPE = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: HEAD };

/** Keys of deviation 1, with a bias in the first two channels; queries look at the other channels too. */
const withBias = (bias: number): LayerDistribution => ({
  query: { mean: new Float64Array(2 * HEAD), deviation: new Float64Array(2 * HEAD).fill(1) },
  key: {
    mean: Float64Array.from({ length: HEAD }, (_, channel) => (channel < 2 ? bias * (1 - 2 * channel) : 0)),
    deviation: new Float64Array(HEAD).fill(1),
  },
});

const ofBiases = (...biases: number[]): ModelDifficulty => modelDifficulty(SHAPE, biases.map(withBias));

const coding = ({ codings }: ModelDifficulty, name: string): CodingDifficulty =>
  codings.find((each) => each.name === name)!;

it("a large bias rules out 4-bit keys per token, but not per channel", () => {
  const difficulty = ofBiases(0, 300, 0);
  expect(difficulty.layers.map(({ biasNorm }) => Math.round(biasNorm))).toEqual([0, 424, 0]);
  expect(difficulty.layers.map(({ outliers, hasRope }) => [outliers, hasRope])).toEqual([
    [0, false],
    [2, false],
    [0, false],
  ]);
  expect(coding(difficulty, "per-token:K4").difficultLayers).toEqual([1]);
  for (const name of ["kivi:K4", "compact:K4"]) {
    expect(coding(difficulty, name).difficultLayers).toEqual([]);
    // Without RoPE the bias is the same in all tokens: groups along a channel do not see it, except for float16 minima.
    const [plain, biased] = difficulty.layers.map(({ scoreErrors }) => scoreErrors[name]!) as [number, number];
    expect(biased / plain).toBeLessThan(1.1);
  }
  expect(difficultyWarning(difficulty, "per-token")).toMatch(/^keys of layer 1 are .*per-token:K4 .*; use .*kivi:K4/);
  expect(difficultyWarning(difficulty, "kivi")).toMatch(/mode kivi suits them/);
});

it("says nothing about a model without difficult layers", () => {
  expect(difficultyWarning(ofBiases(0, 0, 0), "per-token")).toBeUndefined();
});

it("keys beyond float16 cannot be coded in any mode", () => {
  const difficulty = ofBiases(0, 0, 1e6);
  expect(difficulty.codings.map(({ difficultLayers }) => difficultLayers)).toEqual(difficulty.codings.map(() => [2]));
  expect(difficultyWarning(difficulty, "kivi")).toMatch(/keys of layer 2 .*no mode suits them/);
});

test.prop([fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1 })])(
  "a list of layers can be read back",
  (set) => {
    const layers = set.toSorted((a, b) => a - b);
    const text = layerList(layers);
    expect(text).toMatch(layers.length === 1 ? /^layer \d+$/ : /^layers /);
    const read = [...text.matchAll(/(\d+)(?: to (\d+))?/g)].flatMap(([, first, last = first]) =>
      Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index),
    );
    expect(read).toEqual(layers);
  },
);

it("counts layers among all of the model, also those without a cache", () => {
  const shape = { ...SHAPE, recurrent: [{ place: 1, kind: "short convolution", stateBytes: 8 }] };
  expect(modelDifficulty(shape, [0, 300, 0].map(withBias)).layers.map(({ layer }) => layer)).toEqual([0, 2, 3]);
});
