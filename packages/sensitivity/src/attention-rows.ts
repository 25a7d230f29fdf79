import { type AttentionSpec, scoreOf, spanOf } from "@kvtuner/plan";
import type { ReadVersion, TokenRange } from "./layer-input.ts";

/** Copies one head out of `[tokens, heads * headSize]` as `[tokens, headSize]`, in double precision. */
export const headRows = (source: ArrayLike<number>, heads: number, head: number, headSize: number): Float64Array => {
  const tokens = source.length / (heads * headSize);
  const rows = new Float64Array(tokens * headSize);
  for (let token = 0; token < tokens; token++) {
    const from = (token * heads + head) * headSize;
    for (let channel = 0; channel < headSize; channel++) rows[token * headSize + channel] = source[from + channel]!;
  }
  return rows;
};

/** First token that the query at a position sees. */
export const seenFrom = (spec: AttentionSpec, position: number): number => Math.max(0, position + 1 - spanOf(spec));

/** The tokens that a query at a position reads quantized, limited to those it sees. Empty ranges start at a token it sees. */
export const readRange = (spec: AttentionSpec, range: ReadVersion["range"], position: number): TokenRange => {
  const { start, end } = range(position);
  const first = Math.min(Math.max(start, seenFrom(spec, position)), position + 1);
  return { start: first, end: Math.max(first, Math.min(end, position + 1)) };
};

/** Writes the score of `query . rows[token]` to `scores[token]` for tokens `start` to `end - 1`. */
export const scoreRows = (
  scores: Float64Array,
  query: Float64Array,
  rows: Float64Array,
  start: number,
  end: number,
  spec: AttentionSpec,
): void => {
  const size = query.length;
  for (let token = start; token < end; token++) {
    const base = token * size;
    let sum = 0;
    for (let channel = 0; channel < size; channel++) sum += query[channel]! * rows[base + channel]!;
    scores[token] = scoreOf(spec, sum);
  }
};

/** Replaces scores `start` to `end - 1` by their softmax; a sink takes its share. */
export const softmax = (scores: Float64Array, start: number, end: number, sinkLogit: number = -Infinity): void => {
  let largest = sinkLogit;
  for (let token = start; token < end; token++) largest = Math.max(largest, scores[token]!);
  let sum = Math.exp(sinkLogit - largest);
  for (let token = start; token < end; token++) {
    const weight = Math.exp(scores[token]! - largest);
    scores[token] = weight;
    sum += weight;
  }
  for (let token = start; token < end; token++) scores[token] = scores[token]! / sum;
};

/** Mean of `|a - b|` over elements `start` to `end - 1`. */
export const meanAbsoluteDifference = (a: Float64Array, b: Float64Array, start: number, end: number): number => {
  let sum = 0;
  for (let index = start; index < end; index++) sum += Math.abs(a[index]! - b[index]!);
  return sum / (end - start);
};

/**
 * Adds `weights[token] * rows[token]` to `output` for tokens `start` to `end - 1`. Handles four tokens at a time, because
 * access to `output` is the bottleneck.
 */
export const addWeightedRows = (
  output: Float64Array,
  weights: Float64Array,
  rows: Float64Array,
  start: number,
  end: number,
): void => {
  const size = output.length;
  let token = start;
  for (; token + 4 <= end; token += 4) {
    const a = weights[token]!;
    const b = weights[token + 1]!;
    const c = weights[token + 2]!;
    const d = weights[token + 3]!;
    const first = token * size;
    for (let channel = 0; channel < size; channel++) {
      const index = first + channel;
      output[channel] =
        output[channel]! +
        a * rows[index]! +
        b * rows[index + size]! +
        c * rows[index + 2 * size]! +
        d * rows[index + 3 * size]!;
    }
  }
  for (; token < end; token++) {
    for (let channel = 0; channel < size; channel++) {
      output[channel] = output[channel]! + weights[token]! * rows[token * size + channel]!;
    }
  }
};
