import { expect, test } from "vitest";
import { randomWeights } from "../test-support/random-weights.ts";
import type { Architecture } from "./families.ts";
import { familyOf } from "./families.ts";
import { readDistributions } from "./layer-distribution.ts";
import { layerReader } from "./layer-reader.ts";
import { readConfig } from "./read-config.ts";

const SIZES = {
  layers: 2,
  hiddenSize: 24,
  feedForwardSize: 32,
  queryHeads: 4,
  kvHeads: 2,
  headSize: 8,
  vocabulary: 40,
};
const DRAWS = 4000;

/** A sum of twelve uniform numbers: mean 0, variance 1, nearly normal. */
const nearlyNormal = (state: { seed: number }): number => {
  let sum = -6;
  for (let term = 0; term < 12; term++) {
    state.seed = (Math.imul(state.seed, 1_664_525) + 1_013_904_223) >>> 0;
    sum += state.seed / 2 ** 32;
  }
  return sum;
};

test.for<[Architecture, boolean, boolean]>([
  ["llama", false, false],
  ["qwen2", true, false],
  ["qwen3", false, true],
])("mean and deviation of %s are those of projected random inputs", async ([architecture, hasBias, hasNorms]) => {
  const source = randomWeights({ ...SIZES, architecture, tied: true }, 7);
  const config = readConfig(source);
  const layers = await readDistributions(source);
  expect(layers).toHaveLength(2);
  const { norm, key: own } = await familyOf(architecture).projection(layerReader(source, config, 1));
  const key = own!;
  const state = { seed: 1 };
  const inputs = Array.from({ length: DRAWS }, () => norm!.map((weight) => weight * nearlyNormal(state)));
  for (let row = 0; row < key.rows; row++) {
    const weights = (key.matrix as Float32Array).subarray(row * key.columns, (row + 1) * key.columns);
    const outputs = inputs.map((x) => x.reduce((sum, each, at) => sum + each * weights[at]!, key.bias?.[row] ?? 0));
    const mean = outputs.reduce((sum, x) => sum + x, 0) / DRAWS;
    const deviation = Math.sqrt(outputs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / DRAWS);
    const predicted = layers[1]!.key;
    // Five standard errors of a mean and of a deviation.
    expect(Math.abs(predicted.mean[row]! - mean)).toBeLessThan((5 * deviation) / Math.sqrt(DRAWS));
    expect(Math.abs(predicted.deviation[row]! / deviation - 1)).toBeLessThan(5 / Math.sqrt(2 * DRAWS));
  }
  expect(layers[1]!.key.mean.some((x) => x !== 0)).toBe(hasBias);
  expect(layers[1]!.norms?.key.length).toBe(hasNorms ? SIZES.headSize : undefined);
});

test("frequencies are RoPE's, divided by the file's factors", async () => {
  const factors = [1, 2, 4, 8];
  const source = randomWeights({ ...SIZES, architecture: "llama", tied: true, frequencyFactors: factors }, 7);
  const base = 10_000;
  const expected = factors.map((factor, pair) => base ** (-pair / 4) / factor);
  for (const { ropeFrequencies } of await readDistributions(source))
    expected.forEach((frequency, pair) => expect(ropeFrequencies?.[pair]).toBeCloseTo(frequency, 12));
});
