import type { CacheShape } from "@kvtuner/plan";
import type { RowReader } from "./read-rows.ts";

/** Keys and values that a call may read. */
export interface Readers {
  readonly key: RowReader;
  readonly value: RowReader;
}

/**
 * Causal attention of new tokens, in double precision.
 *
 * @param query float32 `[tokens, queryHeads * headSize]`
 * @param before tokens held before the call: query `i` reads the first `before + i + 1`
 * @returns float32 `[tokens, queryHeads * headSize]`
 */
export const attention = (shape: CacheShape, query: Float32Array, before: number, readers: Readers): Float32Array => {
  const { queryHeads, kvHeads, headSize } = shape;
  const output = new Float32Array(query.length);
  for (let row = 0; row < query.length / headSize; row++) {
    const length = before + Math.floor(row / queryHeads) + 1;
    const head = Math.floor((row % queryHeads) / (queryHeads / kvHeads));
    const vector = query.subarray(row * headSize, (row + 1) * headSize);
    output.set(attendVector(vector, length, head, readers), row * headSize);
  }
  return output;
};

const attendVector = (query: Float32Array, length: number, head: number, { key, value }: Readers): Float64Array => {
  const [keyOf, valueOf] = [key(head, length), value(head, length)];
  const scores = new Float64Array(length);
  for (let token = 0; token < length; token++) scores[token] = dot(query, keyOf(token)) / Math.sqrt(query.length);
  const weights = softmax(scores);
  const output = new Float64Array(query.length);
  for (let token = 0; token < length; token++) addScaled(output, weights[token]!, valueOf(token));
  return output;
};

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
};

const addScaled = (target: Float64Array, factor: number, source: Float32Array): void => {
  for (let index = 0; index < target.length; index++) target[index]! += factor * source[index]!;
};

const softmax = (scores: Float64Array): Float64Array => {
  let largest = -Infinity;
  for (const score of scores) largest = Math.max(largest, score);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};
