import { type AttentionSpec, type CacheShape, scoreOf, spanOf } from "@kvtuner/plan";
import type { RowReader } from "./read-rows.ts";

/** Keys and values that a call may read. */
export interface Readers {
  readonly key: RowReader;
  readonly value: RowReader;
}

/**
 * Attention of new tokens, in double precision.
 *
 * @param query float32 `[tokens, queryHeads * headSize]`
 * @param before tokens held before the call: query `i` reads among the first `before + i + 1`
 * @returns float32 `[tokens, queryHeads * headSize]`
 */
export const attention = (
  shape: CacheShape,
  spec: AttentionSpec,
  query: Float32Array,
  before: number,
  readers: Readers,
): Float32Array => {
  const { queryHeads, kvHeads, headSize } = shape;
  const output = new Float32Array(query.length);
  for (let row = 0; row < query.length / headSize; row++) {
    const length = before + Math.floor(row / queryHeads) + 1;
    const head = row % queryHeads;
    const kvHead = Math.floor(head / (queryHeads / kvHeads));
    const partial = emptyPartial(headSize, spec.sinkLogits?.[head]);
    const vector = query.subarray(row * headSize, (row + 1) * headSize);
    addTokens(partial, spec, vector, length, {
      key: readers.key(kvHead, length),
      value: readers.value(kvHead, length),
    });
    output.set(outputOf(partial), row * headSize);
  }
  return output;
};

/** What attention over some tokens comes to: largest score, sum of weights and weighted sum of values, relative to that score. */
interface Partial {
  largest: number;
  total: number;
  readonly weighted: Float64Array;
}

const emptyPartial = (headSize: number, sinkLogit?: number): Partial => ({
  largest: sinkLogit ?? -Infinity,
  total: sinkLogit === undefined ? 0 : 1,
  weighted: new Float64Array(headSize),
});

type TokenRows = Readonly<Record<"key" | "value", ReturnType<RowReader>>>;

const addTokens = (
  partial: Partial,
  spec: AttentionSpec,
  query: Float32Array,
  length: number,
  { key, value }: TokenRows,
): void => {
  const first = Math.max(0, length - spanOf(spec));
  for (let token = first; token < length; token++)
    addToken(partial, scoreOf(spec, dot(query, key(token))), value(token));
};

const addToken = (partial: Partial, score: number, value: Float32Array): void => {
  const { largest, weighted } = partial;
  partial.largest = Math.max(largest, score);
  const kept = Math.exp(largest - partial.largest);
  const weight = Math.exp(score - partial.largest);
  partial.total = kept * partial.total + weight;
  for (let index = 0; index < weighted.length; index++)
    weighted[index] = kept * weighted[index]! + weight * value[index]!;
};

const outputOf = ({ total, weighted }: Partial): Float64Array => weighted.map((sum) => sum / total);

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
};
