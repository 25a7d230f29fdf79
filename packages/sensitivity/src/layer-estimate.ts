import { type AttentionSpec, type LayerShape, plainAttention } from "@kvtuner/plan";
import { addWeightedRows, headRows, readRange, scoreRows, seenFrom, softmax } from "./attention-rows.ts";
import { assertIds, assertLength, assertShape, type ReadVersion, SensitivityError } from "./layer-input.ts";
import { createEstimateSum, type EstimateSum, type OutputEstimate } from "./output-estimate.ts";
import type { FloatArray } from "./relative-error.ts";

/** Queries that read a layer's cache: the layer's own, or those of a layer that shares the cache. */
export interface CacheReader {
  /** Rotated queries `[tokens, queryHeads * headSize]` row-major, one row per token of the cache. */
  readonly query: FloatArray;
  /** By draw of labels: gradient of their summed log-likelihood, `[tokens, queryHeads * valueSize]` row-major. */
  readonly gradients: readonly FloatArray[];
  readonly queryHeads: number;
  /** How the queries attend; plain causal attention by default. */
  readonly attention?: AttentionSpec;
}

/** Input of {@link estimateLayer}. */
export interface EstimateInput {
  /** Rotated keys `[tokens, kvHeads * headSize]` row-major, as a query reads them when not quantized. */
  readonly key: FloatArray;
  /** Values `[tokens, kvHeads * valueSize]` row-major, as a query reads them when not quantized. */
  readonly value: FloatArray;
  /** `valueSize` is `headSize` by default. */
  readonly shape: Pick<LayerShape, "kvHeads" | "headSize" | "valueSize">;
  readonly readers: readonly CacheReader[];
  /** Key candidates, each estimated with exact values. */
  readonly keys: readonly ReadVersion[];
  /** Value candidates, each estimated with exact keys. */
  readonly values: readonly ReadVersion[];
  /** Pairs of both to estimate together; none by default. */
  readonly pairs?: readonly { readonly keyId: string; readonly valueId: string }[];
}

/** Estimates of a layer, in the order of the input. */
export interface LayerEstimate {
  readonly keys: readonly (OutputEstimate & { readonly id: string })[];
  readonly values: readonly (OutputEstimate & { readonly id: string })[];
  readonly pairs: readonly PairEstimate[];
}

/** A pair estimated together. */
export interface PairEstimate extends OutputEstimate {
  readonly keyId: string;
  readonly valueId: string;
  /** KL of the pair over the sum of its halves, means over draws. Far from 1, halves do not add up. */
  readonly additivity: number;
}

/**
 * Estimates the KL of each key candidate and of each value candidate of a layer from gradients at its exact input, in double
 * precision. See {@link createEstimateSum} for the formula. Costs one attention of the layer per candidate and holds one row of
 * scores at a time.
 *
 * @throws SensitivityError when arrays do not fit, or a number is not finite
 */
export const estimateLayer = (input: EstimateInput): LayerEstimate => {
  const tokens = checkedTokens(input);
  const [keys, values] = [[...input.keys.keys()], [...input.values.keys()]];
  const pairs = (input.pairs ?? []).map(({ keyId, valueId }) => ({
    key: candidate(input.keys, "key", keyId),
    value: candidate(input.values, "value", valueId),
  }));
  const reads: Read[] = [
    ...keys.map((key) => ({ key, value: undefined })),
    ...values.map((value) => ({ key: undefined, value })),
    ...pairs,
  ];
  const estimates = estimateReads(input, tokens, reads);
  const named = (versions: readonly ReadVersion[], from: number): LayerEstimate["keys"] =>
    versions.map(({ id }, index) => ({ id, ...estimates[from + index]! }));
  return {
    keys: named(input.keys, 0),
    values: named(input.values, keys.length),
    pairs: pairs.map(({ key, value }, index) => {
      const estimate = estimates[keys.length + values.length + index]!;
      const names = { keyId: input.keys[key]!.id, valueId: input.values[value]!.id };
      return {
        ...names,
        ...estimate,
        additivity: additivity(estimate, estimates[key]!, estimates[keys.length + value]!),
      };
    }),
  };
};

/** KL of a pair over the sum of its halves, means over draws; 1 where all are 0. */
export const additivity = (
  pair: Pick<OutputEstimate, "kl">,
  key: Pick<OutputEstimate, "kl">,
  value: Pick<OutputEstimate, "kl">,
): number => {
  const [joint, halves] = [sum(pair.kl), sum(key.kl) + sum(value.kl)];
  return joint === halves ? 1 : joint / halves;
};

/** What is read quantized: indices into the candidates; undefined reads exactly. */
interface Read {
  readonly key: number | undefined;
  readonly value: number | undefined;
}

const candidate = (versions: readonly ReadVersion[], kind: "key" | "value", id: string): number => {
  const index = versions.findIndex((version) => version.id === id);
  if (index !== -1) return index;
  const known = versions.map((version) => version.id).join(", ");
  throw new SensitivityError(
    "SENSITIVITY_UNKNOWN_CANDIDATE",
    `expected pairs of known candidates, of ${kind}s (${known}), got "${id}"`,
  );
};

const estimateReads = (input: EstimateInput, tokens: number, reads: readonly Read[]): OutputEstimate[] => {
  const sums = reads.map(() => createEstimateSum(tokens, input.readers[0]!.gradients.length));
  for (const reader of input.readers) {
    for (let head = 0; head < reader.queryHeads; head++) addHead(headRead(input, reader, head), tokens, reads, sums);
  }
  return sums.map((each, index) => finite(each.result(), input, reads[index]!));
};

/** One query head of a reader with what it reads, `[tokens, size]` each in double precision. */
interface HeadRead {
  readonly reader: CacheReader;
  readonly head: number;
  readonly spec: AttentionSpec;
  readonly queries: Float64Array;
  readonly key: HalfRead;
  readonly value: HalfRead;
}

/** One KV head of the keys or of the values: exact, and under each candidate. */
interface HalfRead {
  readonly size: number;
  readonly exact: Float64Array;
  readonly versions: readonly { readonly rows: Float64Array; readonly range: ReadVersion["range"] }[];
}

const headRead = ({ key, value, shape, keys, values }: EstimateInput, reader: CacheReader, head: number): HeadRead => {
  const { kvHeads, headSize, valueSize = headSize } = shape;
  const kvHead = Math.floor((head * kvHeads) / reader.queryHeads);
  const half = (exact: FloatArray, versions: readonly ReadVersion[], size: number): HalfRead => ({
    size,
    exact: headRows(exact, kvHeads, kvHead, size),
    versions: versions.map(({ hat, range }) => ({ rows: headRows(hat, kvHeads, kvHead, size), range })),
  });
  return {
    reader,
    head,
    spec: reader.attention ?? plainAttention(headSize),
    queries: headRows(reader.query, reader.queryHeads, head, headSize),
    key: half(key, keys, headSize),
    value: half(value, values, valueSize),
  };
};

const addHead = (own: HeadRead, tokens: number, reads: readonly Read[], sums: readonly EstimateSum[]): void => {
  const { reader, head, spec, value } = own;
  const weights = { exact: new Float64Array(tokens), versions: own.key.versions.map(() => new Float64Array(tokens)) };
  const [exact, output] = [new Float64Array(value.size), new Float64Array(value.size)];
  for (let token = 0; token < tokens; token++) {
    weigh(own, token, weights);
    mix(exact, weights.exact, value, undefined, { spec, token });
    const gradientAt = (token * reader.queryHeads + head) * value.size;
    for (const [index, read] of reads.entries()) {
      mix(output, read.key === undefined ? weights.exact : weights.versions[read.key]!, value, read.value, {
        spec,
        token,
      });
      const part = { token, exact, output, outputAt: 0, gradientAt, size: value.size };
      sums[index]!.addPart(part, reader.gradients);
    }
  }
};

/** Attention weights of the query at a token: with exact keys, and under each key candidate. */
const weigh = (
  { spec, head, queries, key }: HeadRead,
  token: number,
  { exact, versions }: { readonly exact: Float64Array; readonly versions: readonly Float64Array[] },
): void => {
  const [first, end] = [seenFrom(spec, token), token + 1];
  const query = queries.subarray(token * key.size, end * key.size);
  scoreRows(exact, query, key.exact, first, end, spec);
  for (const [index, weights] of versions.entries()) {
    const { rows, range } = key.versions[index]!;
    const read = readRange(spec, range, token);
    weights.set(exact.subarray(first, end), first);
    scoreRows(weights, query, rows, read.start, read.end, spec);
    softmax(weights, first, end, spec.sinkLogits?.[head]);
  }
  softmax(exact, first, end, spec.sinkLogits?.[head]);
};

/** Writes the weighted sum of the values that the query at a token reads, of one candidate or exact. */
const mix = (
  output: Float64Array,
  weights: Float64Array,
  value: HalfRead,
  version: number | undefined,
  { spec, token }: { readonly spec: AttentionSpec; readonly token: number },
): void => {
  const [first, end] = [seenFrom(spec, token), token + 1];
  const coded = version === undefined ? undefined : value.versions[version]!;
  const read = coded ? readRange(spec, coded.range, token) : { start: first, end: first };
  output.fill(0);
  addWeightedRows(output, weights, value.exact, first, read.start);
  if (coded) addWeightedRows(output, weights, coded.rows, read.start, read.end);
  addWeightedRows(output, weights, value.exact, read.end, end);
};

/** Number of tokens, after all sizes were checked. */
const checkedTokens = ({ key, value, shape, readers, keys, values }: EstimateInput): number => {
  const { kvHeads, headSize, valueSize = headSize } = shape;
  const tokens = key.length / (kvHeads * headSize);
  const draws = readers[0]?.gradients.length ?? 0;
  if (draws === 0) {
    throw new SensitivityError(
      "SENSITIVITY_GRADIENTS",
      "expected gradients of one draw or more of one reader or more, got none",
    );
  }
  assertLength("value", value, tokens * kvHeads * valueSize);
  for (const { queryHeads, query, gradients } of readers) {
    assertShape({ kvHeads, headSize, queryHeads });
    assertLength("query", query, tokens * queryHeads * headSize);
    if (gradients.length !== draws) {
      throw new SensitivityError(
        "SENSITIVITY_GRADIENTS",
        `expected ${draws} draws of every reader, got ${gradients.length}`,
      );
    }
    for (const gradient of gradients) assertLength("gradients", gradient, tokens * queryHeads * valueSize);
  }
  for (const { id, hat } of keys) assertLength(`hat of key scheme "${id}"`, hat, key.length);
  for (const { id, hat } of values) assertLength(`hat of value scheme "${id}"`, hat, value.length);
  assertIds("key", keys);
  assertIds("value", values);
  return tokens;
};

const finite = (estimate: OutputEstimate, { keys, values }: EstimateInput, { key, value }: Read): OutputEstimate => {
  if ([...estimate.kl, estimate.outputError].every(Number.isFinite)) return estimate;
  const names = [
    key === undefined ? "exact" : `"${keys[key]!.id}"`,
    value === undefined ? "exact" : `"${values[value]!.id}"`,
  ];
  throw new SensitivityError(
    "SENSITIVITY_NOT_FINITE",
    `expected finite queries, keys, values and gradients, got an estimate of ${names[0]} keys with ${names[1]} values that is not finite; look for NaN or infinity in the layer's input`,
  );
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
