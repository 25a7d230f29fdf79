import {
  type AttentionSpec,
  attentionOf,
  layerShape,
  type LayerShape,
  scoreOf,
  sharingShape,
  spanOf,
  tensorShape,
} from "@kvtuner/plan";
import { decodedRows, quantizedRange, type StoredRows } from "./decoded-rows.ts";
import type { OracleCache } from "./oracle-cache.ts";

/** Keys, or values, of one layer of an oracle. */
export const storedRows = (cache: OracleCache, layer: number, tensor: "key" | "value"): StoredRows => ({
  rows: cache.layers[layer]![tensor],
  scheme: cache.plan.layers[layer]![tensor],
  layer: cache.plan.layers[layer]!,
  shape: tensorShape(layerShape(cache.shape, layer), tensor),
  ...(cache.plan.assets && { assets: cache.plan.assets }),
});

/**
 * The expected output for a layer's newest tokens, in double precision.
 *
 * @param query float32 `[tokens, queryHeads * headSize]`
 * @returns `[tokens, queryHeads * valueSize]`
 */
export const expectedOutput = (cache: OracleCache, layer: number, query: Float32Array): Float64Array =>
  outputOver(cache, layer, { ...layerShape(cache.shape, layer), attention: attentionOf(cache.shape, layer) }, query);

/** The same for a layer that shares a cache. */
export const expectedRead = (cache: OracleCache, sharing: number, query: Float32Array): Float64Array =>
  outputOver(cache, cache.shape.sharing![sharing]!.cacheOf, sharingShape(cache.shape, sharing), query);

const outputOver = (
  cache: OracleCache,
  layer: number,
  shape: LayerShape & { readonly attention: AttentionSpec },
  query: Float32Array,
): Float64Array => {
  const { queryHeads, headSize, valueSize = headSize, attention: spec } = shape;
  if (query.length === 0) return new Float64Array(0);
  const key = rowsAt(storedRows(cache, layer, "key"));
  const value = rowsAt(storedRows(cache, layer, "value"));
  const tokens = query.length / (queryHeads * headSize);
  const before = cache.layers[layer]!.key.length - tokens;
  const output = new Float64Array(tokens * queryHeads * valueSize);
  for (let token = 0; token < tokens; token++) {
    const length = before + token + 1;
    const first = Math.max(0, length - spanOf(spec));
    const [keys, values] = [key(length).slice(first), value(length).slice(first)];
    attendToken(shape, spec, { queries: query, token, keys, values }, output);
  }
  return output;
};

/** Rows as a query that sees `length` tokens reads them. */
const rowsAt = (stored: StoredRows): ((length: number) => Float32Array[]) => {
  const decoded = decodedRows(stored);
  return (length) => {
    const [first, end] = quantizedRange(stored, length);
    return stored.rows.slice(0, length).map((row, token) => (token >= first && token < end ? decoded[token]! : row));
  };
};

interface TokenRow {
  readonly queries: Float32Array;
  /** The token, among those of the call. */
  readonly token: number;
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
}

const attendToken = (
  shape: LayerShape,
  spec: AttentionSpec,
  { queries, token, keys, values }: TokenRow,
  output: Float64Array,
): void => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
  for (let head = 0; head < queryHeads; head++) {
    const place = token * queryHeads + head;
    const kvHead = Math.floor((head * kvHeads) / queryHeads);
    const query = queries.subarray(place * headSize, (place + 1) * headSize);
    const scores = keys.map((key) => scoreOf(spec, dot(query, key, kvHead * headSize)));
    const sink = spec.sinkLogits?.[head] ?? -Infinity;
    const largest = scores.reduce((a, b) => Math.max(a, b), sink);
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((a, b) => a + b, Math.exp(sink - largest));
    for (const [index, value] of values.entries()) {
      const own = value.subarray(kvHead * valueSize, (kvHead + 1) * valueSize);
      addScaled(output, place * valueSize, weights[index]! / total, own);
    }
  }
};

const dot = (query: Float32Array, key: Float32Array, offset: number): number => {
  let sum = 0;
  for (let channel = 0; channel < query.length; channel++) sum += query[channel]! * key[offset + channel]!;
  return sum;
};

const addScaled = (output: Float64Array, offset: number, factor: number, value: Float32Array): void => {
  for (let channel = 0; channel < value.length; channel++) output[offset + channel]! += factor * value[channel]!;
};
