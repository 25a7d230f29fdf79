import type { FloatArray } from "../relative-error.ts";
import { standardNormal } from "./standard-normal.ts";

/** Mean and standard deviation of each channel, `[heads * headSize]`, before head norms and RoPE. */
export interface ChannelDistribution {
  readonly mean: FloatArray;
  readonly deviation: FloatArray;
}

/** Normally distributed queries and keys of a layer, as a model's weights predict them. */
export interface LayerDistribution {
  readonly query: ChannelDistribution;
  readonly key: ChannelDistribution;
  /** Weights of RMS norms over runs of as many channels, before RoPE. */
  readonly norms?: Readonly<Record<"query" | "key", FloatArray>>;
  /**
   * Radians per position of each pair of rotated channels: `i` and `i + n` of a head, with n pairs. Absent in a layer
   * without RoPE.
   */
  readonly ropeFrequencies?: FloatArray;
  /** Factor of rotated channels (YaRN); 1 by default. */
  readonly ropeMagnitude?: number;
}

/**
 * Draws one row per position from the queries or keys of a layer: normal, normed, and rotated by RoPE.
 *
 * @returns float32 `[positions, heads * headSize]`
 */
export const drawRows = (
  layer: LayerDistribution,
  tensor: "query" | "key",
  headSize: number,
  positions: ArrayLike<number>,
  seed: number,
): Float32Array => {
  const { mean, deviation } = layer[tensor];
  const width = mean.length;
  const normal = standardNormal(seed);
  const rows = new Float32Array(positions.length * width);
  for (let row = 0; row < positions.length; row++) {
    const drawn = rows.subarray(row * width, (row + 1) * width);
    for (let channel = 0; channel < width; channel++) drawn[channel] = mean[channel]! + deviation[channel]! * normal();
    if (layer.norms) normalize(drawn, layer.norms[tensor]);
    rotate(drawn, headSize, layer, positions[row]!);
  }
  return rows;
};

/** Divides each run of `weights.length` channels by its root mean square, and multiplies it by the weights. */
const normalize = (row: Float32Array, weights: FloatArray): void => {
  for (let start = 0; start < row.length; start += weights.length) {
    const run = row.subarray(start, start + weights.length);
    const rms = Math.sqrt(run.reduce((sum, x) => sum + x * x, 0) / run.length);
    if (rms === 0) continue;
    for (let channel = 0; channel < run.length; channel++) run[channel] = (run[channel]! / rms) * weights[channel]!;
  }
};

const rotate = (
  row: Float32Array,
  headSize: number,
  { ropeFrequencies, ropeMagnitude = 1 }: LayerDistribution,
  position: number,
): void => {
  if (ropeFrequencies === undefined) return;
  const pairs = ropeFrequencies.length;
  for (let pair = 0; pair < pairs; pair++) {
    const angle = position * ropeFrequencies[pair]!;
    const [cosine, sine] = [ropeMagnitude * Math.cos(angle), ropeMagnitude * Math.sin(angle)];
    for (let first = pair; first < row.length; first += headSize) {
      const [x, y] = [row[first]!, row[first + pairs]!];
      row[first] = x * cosine - y * sine;
      row[first + pairs] = y * cosine + x * sine;
    }
  }
};
