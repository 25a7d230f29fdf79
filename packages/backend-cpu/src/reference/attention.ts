import {
  type AttentionSpec,
  type LayerScheme,
  type LayerShape,
  scoreOf,
  type Segment,
  segmentsOf,
  spanOf,
} from "@kvtuner/plan";
import type { RowReader } from "./read-rows.ts";

/** Keys and values that a call may read. */
export interface Readers {
  readonly key: RowReader;
  readonly value: RowReader;
}

/** How a layer attends, and which tokens it holds in which form. */
export interface AttendedLayer {
  readonly spec: AttentionSpec;
  readonly layer: LayerScheme;
}

/**
 * Attention of new tokens, in double precision. Attends over each segment of a layer and merges the results.
 *
 * @param query float32 `[tokens, queryHeads * headSize]`
 * @param before tokens held before the call; query `i` reads the first `before + i + 1`
 * @returns float32 `[tokens, queryHeads * valueSize]`
 */
export const attention = (
  shape: LayerShape,
  { spec, layer }: AttendedLayer,
  query: Float32Array,
  before: number,
  readers: Readers,
): Float32Array => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
  const output = new Float32Array((query.length / headSize) * valueSize);
  for (let row = 0; row < query.length / headSize; row++) {
    const length = before + Math.floor(row / queryHeads) + 1;
    const head = row % queryHeads;
    const kvHead = Math.floor(head / (queryHeads / kvHeads));
    const vector = query.subarray(row * headSize, (row + 1) * headSize);
    const partials = segmentsOf(layer, length).map((segment) =>
      partialOf(spec, vector, valueSize, withinSpan(segment, length - spanOf(spec)), {
        key: readers.key(kvHead, segment.isKeyCoded),
        value: readers.value(kvHead, segment.isValueCoded),
      }),
    );
    output.set(outputOf(partials.reduce(merged, sinkPartial(valueSize, spec.sinkLogits?.[head]))), row * valueSize);
  }
  return output;
};

/** The tokens of a segment from `first` on. */
const withinSpan = ({ start, end, ...form }: Segment, first: number): Segment => ({
  ...form,
  start: Math.max(start, first),
  end,
});

/** Attention over some tokens: largest score, and sum of weights and weighted sum of values relative to that score. */
interface Partial {
  readonly largest: number;
  readonly total: number;
  readonly weighted: Float64Array;
}

/** A sink's logit is a score without a value. */
const sinkPartial = (valueSize: number, logit: number = -Infinity): Partial => ({
  largest: logit,
  total: logit === -Infinity ? 0 : 1,
  weighted: new Float64Array(valueSize),
});

type TokenRows = Readonly<Record<keyof Readers, ReturnType<RowReader>>>;

const partialOf = (
  spec: AttentionSpec,
  query: Float32Array,
  valueSize: number,
  { start, end }: Segment,
  rows: TokenRows,
): Partial => {
  const scores: number[] = [];
  for (let token = start; token < end; token++) scores.push(scoreOf(spec, dot(query, rows.key(token))));
  let largest = -Infinity;
  for (const score of scores) largest = Math.max(largest, score);
  const weighted = new Float64Array(valueSize);
  let total = 0;
  for (const [index, score] of scores.entries()) {
    const weight = Math.exp(score - largest);
    total += weight;
    addScaled(weighted, weight, rows.value(start + index));
  }
  return { largest, total, weighted };
};

/** Merges two, relative to the larger of their largest scores. */
const merged = (a: Partial, b: Partial): Partial => {
  const largest = Math.max(a.largest, b.largest);
  const [shareOfA, shareOfB] = [shareAt(a, largest), shareAt(b, largest)];
  return {
    largest,
    total: shareOfA * a.total + shareOfB * b.total,
    weighted: a.weighted.map((sum, index) => shareOfA * sum + shareOfB * b.weighted[index]!),
  };
};

/** A partial without tokens has no largest score. */
const shareAt = (partial: Partial, largest: number): number =>
  partial.total === 0 ? 0 : Math.exp(partial.largest - largest);

const outputOf = ({ total, weighted }: Partial): Float64Array => weighted.map((sum) => sum / total);

const addScaled = (target: Float64Array, factor: number, source: Float32Array): void => {
  for (let index = 0; index < target.length; index++) target[index]! += factor * source[index]!;
};

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
};
