import { storedWeights } from "../weight-storage.ts";
import { familyOf } from "./families.ts";
import { frequencyFactors } from "./frequency-factors.ts";
import { layerReader } from "./layer-reader.ts";
import { readConfig } from "./read-config.ts";
import { inverseFrequencies } from "./rope.ts";
import type { Linear, WeightSource } from "./weights.ts";

/** Mean and standard deviation of each channel, `[heads * headSize]`, before head norms and RoPE. */
export interface ChannelDistribution {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** Queries and keys of a layer as its weights alone predict them. */
export interface LayerDistribution {
  readonly query: ChannelDistribution;
  readonly key: ChannelDistribution;
  /** Weights of RMS norms over runs of as many channels. */
  readonly norms?: Readonly<Record<"query" | "key", Float32Array>>;
  /** Radians per position of each pair of rotated channels: `i` and `i + n` of a head, with n pairs; absent without RoPE. */
  readonly ropeFrequencies?: Float64Array;
  /** Factor of rotated channels; 1 by default. */
  readonly ropeMagnitude?: number;
}

/**
 * Predicts queries and keys of each layer without running the model. The input of a projection is normalized, so its
 * channels are taken as independent with mean 0 and variance 1, times the norm's weights. The mean of a query or key channel
 * is then its bias, and its variance the squared length of its row. Families that do not normalize the input have norms of
 * queries and keys, which set the scale. Skips layers without a cache. Reads one layer at a time.
 *
 * @throws ModelError, GgufError when the model cannot be read
 */
export const readDistributions = async (file: WeightSource): Promise<LayerDistribution[]> => {
  const source = storedWeights(file, "float32");
  const config = readConfig(source);
  const { tables, tableOf } = config.rope;
  const frequencies: Float64Array[] = [];
  for (const table of tables) frequencies.push(inverseFrequencies(table, await frequencyFactors(source, table)));
  const layers: LayerDistribution[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const reader = layerReader(source, config, layer);
    if (reader.isRecurrent) continue;
    const { norm, query, key, queryNorm, keyNorm } = await familyOf(config.architecture).projection(reader);
    if (!key) continue;
    const table = tableOf[layer] ?? -1;
    const ropeFrequencies = frequencies[table];
    layers.push({
      query: distributionOf(query, norm),
      key: distributionOf(key, norm),
      ...(queryNorm && keyNorm && { norms: { query: queryNorm, key: keyNorm } }),
      ...(ropeFrequencies && { ropeFrequencies, ropeMagnitude: tables[table]!.magnitude }),
    });
  }
  return layers;
};

const distributionOf = (
  { rows, columns, matrix, bias }: Linear,
  norm: Float32Array = new Float32Array(columns).fill(1),
): ChannelDistribution => ({
  mean: bias ?? new Float32Array(rows),
  deviation: Float32Array.from({ length: rows }, (_, row) =>
    Math.sqrt(weightedSquares(matrix as Float32Array, row * columns, norm)),
  ),
});

/** Sum of `(matrix[offset + i] * norm[i])^2`. */
const weightedSquares = (matrix: Float32Array, offset: number, norm: Float32Array): number => {
  let sum = 0;
  for (let column = 0; column < norm.length; column++) sum += (matrix[offset + column]! * norm[column]!) ** 2;
  return sum;
};
