import { type AttentionSpec, type LayerShape, scoreOf } from "@kvtuner/plan";
import { samplePositions } from "../sample-queries.ts";
import { drawRows, type LayerDistribution } from "./layer-distribution.ts";

/** A way to code keys. */
export interface KeyCoder {
  readonly id: string;
  /** Encodes and decodes keys, float32 `[tokens, kvHeads * headSize]`; undefined for keys beyond what it can code. */
  readonly roundTrip: (keys: Float32Array, tokens: number) => Float32Array | undefined;
}

/** Input of {@link predictScoreErrors}. */
export interface PredictionInput {
  readonly distribution: LayerDistribution;
  readonly shape: Pick<LayerShape, "queryHeads" | "kvHeads" | "headSize">;
  readonly attention: AttentionSpec;
}

/** Two blocks of the longest axis that a mode groups keys along. */
const TOKENS = 256;
const QUERIES = 4;
const [QUERY_SEED, KEY_SEED] = [1, 2];

/**
 * Predicts for each coder the error of attention scores in nats: the root mean square, over tokens, queries and query heads
 * of one layer, of the coded key's score minus the exact one. The mean over the tokens of a query is subtracted, because a
 * softmax ignores it. Infinity for keys that cannot be coded. Queries and keys are drawn from the layer's distribution; the same input gives the same result.
 *
 * An error of one nat multiplies an attention weight by e: weights are then mostly noise.
 */
export const predictScoreErrors = (input: PredictionInput, coders: readonly KeyCoder[]): Map<string, number> => {
  const { distribution, shape } = input;
  const positions = samplePositions(TOKENS, QUERIES);
  const query = drawRows(distribution, "query", shape.headSize, positions, QUERY_SEED);
  const key = drawKeys(input);
  const exact = scores(input, query, key, positions);
  const errorOf = (decoded: Float32Array | undefined): number =>
    decoded ? rootMeanSpread(exact, scores(input, query, decoded, positions)) : Infinity;
  return new Map(coders.map(({ id, roundTrip }) => [id, errorOf(roundTrip(key, TOKENS))]));
};

/** The keys that {@link predictScoreErrors} codes: of 256 tokens from position 0, `[tokens, kvHeads * headSize]`. */
export const drawKeys = ({ distribution, shape }: Pick<PredictionInput, "distribution" | "shape">): Float32Array =>
  drawRows(
    distribution,
    "key",
    shape.headSize,
    Array.from({ length: TOKENS }, (_, token) => token),
    KEY_SEED,
  );

/** Scores of each query and query head with the tokens up to its position. */
const scores = (
  { shape: { queryHeads, kvHeads, headSize }, attention }: PredictionInput,
  query: Float32Array,
  key: Float32Array,
  positions: Int32Array,
): Float64Array[] => {
  const rows: Float64Array[] = [];
  for (const [index, position] of positions.entries())
    for (let head = 0; head < queryHeads; head++) {
      const start = (index * queryHeads + head) * headSize;
      const vector = query.subarray(start, start + headSize);
      const offset = Math.floor((head * kvHeads) / queryHeads) * headSize;
      const row = new Float64Array(position + 1);
      for (let token = 0; token <= position; token++)
        row[token] = scoreOf(attention, dot(vector, key, token * kvHeads * headSize + offset));
      rows.push(row);
    }
  return rows;
};

const dot = (vector: Float32Array, rows: Float32Array, offset: number): number => {
  let sum = 0;
  for (let channel = 0; channel < vector.length; channel++) sum += vector[channel]! * rows[offset + channel]!;
  return sum;
};

/** Root of the mean, over rows, of the variance of the rows' differences. */
const rootMeanSpread = (exact: readonly Float64Array[], coded: readonly Float64Array[]): number => {
  let sum = 0;
  for (const [index, row] of exact.entries()) sum += varianceOfDifference(row, coded[index]!);
  return Math.sqrt(sum / exact.length);
};

const varianceOfDifference = (one: Float64Array, other: Float64Array): number => {
  let mean = 0;
  for (let at = 0; at < one.length; at++) mean += (other[at]! - one[at]!) / one.length;
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += (other[at]! - one[at]! - mean) ** 2;
  return sum / one.length;
};
