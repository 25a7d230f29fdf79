import { type AttentionSpec, plainAttention } from "@kvtuner/plan";
import {
  addWeightedRows,
  headRows,
  meanAbsoluteDifference,
  readRange,
  scoreRows,
  seenFrom,
  softmax,
} from "./attention-rows.ts";
import type { LayerInput, ReadVersion, TokenRange } from "./layer-input.ts";
import { RELATIVE_FLOOR, rowRelativeError } from "./relative-error.ts";

/** Mean errors of one KV head: by key scheme, by value scheme, by key scheme, and by pair (key scheme major). */
export interface HeadSums {
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly attention: Float64Array;
  readonly output: Float64Array;
}

/** One head's rows of a {@link ReadVersion}. */
interface HeadVersion {
  readonly rows: Float64Array;
  readonly range: ReadVersion["range"];
}

/** Input of one KV head's measurement, `[tokens, headSize]` each. */
interface HeadInput {
  readonly headSize: number;
  readonly positions: readonly number[];
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly keys: readonly HeadVersion[];
  readonly values: readonly HeadVersion[];
  readonly spec: AttentionSpec;
  readonly relativeFloor: number;
}

/** Measures one KV head under all schemes, together with the query heads that share it. */
export const measureHead = (
  input: LayerInput & { readonly keys: readonly ReadVersion[]; readonly values: readonly ReadVersion[] },
  kvHead: number,
): HeadSums => {
  const { queryHeads, kvHeads, headSize } = input.shape;
  const head = headInput(input, kvHead);
  const sums = {
    key: tensorErrors(head, head.key, head.keys),
    value: tensorErrors(head, head.value, head.values),
    attention: new Float64Array(head.keys.length),
    output: new Float64Array(head.keys.length * head.values.length),
  };
  const group = queryHeads / kvHeads;
  for (let queryHead = kvHead * group; queryHead < (kvHead + 1) * group; queryHead++) {
    addQueries(sums, head, headRows(input.query, queryHeads, queryHead, headSize), head.spec.sinkLogits?.[queryHead]);
  }
  divide(sums.attention, group * head.positions.length);
  divide(sums.output, group * head.positions.length);
  return sums;
};

const headInput = (
  input: LayerInput & { readonly keys: readonly ReadVersion[]; readonly values: readonly ReadVersion[] },
  kvHead: number,
): HeadInput => {
  const { kvHeads, headSize } = input.shape;
  const rows = (source: ArrayLike<number>): Float64Array => headRows(source, kvHeads, kvHead, headSize);
  const version = ({ hat, range }: ReadVersion): HeadVersion => ({ rows: rows(hat), range });
  return {
    headSize,
    positions: Array.from(input.queryPositions),
    key: rows(input.key),
    value: rows(input.value),
    keys: input.keys.map(version),
    values: input.values.map(version),
    spec: input.attention ?? plainAttention(headSize),
    relativeFloor: input.relativeFloor ?? RELATIVE_FLOOR,
  };
};

/** Mean relative error of each version over the tokens that some query reads from it. */
const tensorErrors = (head: HeadInput, exact: Float64Array, versions: readonly HeadVersion[]): Float64Array =>
  Float64Array.from(versions, (version) => {
    const ranges = head.positions.map((position) => readRange(head.spec, version.range, position)).filter(isNotEmpty);
    const read = Int8Array.from({ length: exact.length / head.headSize });
    for (const { start, end } of ranges) read.fill(1, start, end);
    let sum = 0;
    let count = 0;
    for (let token = 0; token < read.length; token++) {
      if (read[token] === 0) continue;
      sum += rowRelativeError(exact, version.rows, token * head.headSize, head.headSize, head.relativeFloor);
      count++;
    }
    return count === 0 ? 0 : sum / count;
  });

const addQueries = (sums: HeadSums, head: HeadInput, queries: Float64Array, sinkLogit: number | undefined): void => {
  const longest = head.positions.reduce((last, position) => Math.max(last, position), 0) + 1;
  const exact = new Float64Array(longest);
  const weights = head.keys.map(() => new Float64Array(longest));
  for (const [row, position] of head.positions.entries()) {
    const query = queries.subarray(row * head.headSize, (row + 1) * head.headSize);
    computeWeights(head, { query, position, sinkLogit }, exact, weights);
    for (const [key, quantized] of weights.entries()) {
      sums.attention[key] =
        sums.attention[key]! + meanAbsoluteDifference(exact, quantized, seenFrom(head.spec, position), position + 1);
    }
    addOutputs(sums.output, head, position, exact, weights);
  }
};

interface Query {
  readonly query: Float64Array;
  readonly position: number;
  readonly sinkLogit: number | undefined;
}

/** Attention weights of one query: with exact keys, and under every key scheme. */
const computeWeights = (
  head: HeadInput,
  { query, position, sinkLogit }: Query,
  exact: Float64Array,
  weights: readonly Float64Array[],
): void => {
  const first = seenFrom(head.spec, position);
  scoreRows(exact, query, head.key, first, position + 1, head.spec);
  for (const [key, version] of head.keys.entries()) {
    const quantized = weights[key]!;
    const { start, end } = readRange(head.spec, version.range, position);
    quantized.set(exact.subarray(0, position + 1));
    scoreRows(quantized, query, version.rows, start, end, head.spec);
    softmax(quantized, first, position + 1, sinkLogit);
  }
  softmax(exact, first, position + 1, sinkLogit);
};

/** Adds the output error of every pair at one query. */
const addOutputs = (
  sums: Float64Array,
  head: HeadInput,
  position: number,
  exactWeights: Float64Array,
  weights: readonly Float64Array[],
): void => {
  const { headSize, relativeFloor, value } = head;
  const exact = new Float64Array(headSize);
  const first = seenFrom(head.spec, position);
  addWeightedRows(exact, exactWeights, value, first, position + 1);
  const output = new Float64Array(headSize);
  for (const [valueIndex, version] of head.values.entries()) {
    const { start, end } = readRange(head.spec, version.range, position);
    for (const [key, quantized] of weights.entries()) {
      output.fill(0);
      addWeightedRows(output, quantized, value, first, start);
      addWeightedRows(output, quantized, version.rows, start, end);
      addWeightedRows(output, quantized, value, end, position + 1);
      const pair = key * head.values.length + valueIndex;
      sums[pair] = sums[pair]! + rowRelativeError(exact, output, 0, headSize, relativeFloor);
    }
  }
};

const isNotEmpty = ({ start, end }: TokenRange): boolean => start < end;

const divide = (values: Float64Array, divisor: number): void => {
  for (let index = 0; index < values.length; index++) values[index] = values[index]! / divisor;
};
