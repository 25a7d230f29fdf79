import type { CachePlan } from "../../backend.ts";
import { roundDecoded } from "../../truncation.ts";
import { decodedRows, quantizedRange, type StoredRows } from "./decoded-rows.ts";
import { storedRows } from "./expected-output.ts";
import type { OracleCache } from "./oracle-cache.ts";

/** The cache after `truncate(length)`. */
export const truncated = (cache: OracleCache, length: number): OracleCache => ({
  ...cache,
  layers: cache.layers.map((_, layer) => ({
    key: truncatedRows(storedRows(cache, layer, "key"), length),
    value: truncatedRows(storedRows(cache, layer, "value"), length),
  })),
});

/** Rows that were codes and must be exact become their decoded numbers. */
const truncatedRows = (stored: StoredRows, length: number): readonly Float32Array[] => {
  if (length >= stored.rows.length) return stored.rows;
  const [first, end] = quantizedRange(stored, length);
  const decoded = decodedRows(stored);
  return stored.rows
    .slice(0, length)
    .map((row, token) => (token >= first && token < end ? row : (rounded(decoded[token]) ?? row)));
};

/** The cache after `retune(plan)`: all its tokens, decoded and stored anew. */
export const retuned = (cache: OracleCache, plan: CachePlan): OracleCache => ({
  ...cache,
  plan,
  layers: cache.layers.map((_, layer) => ({
    key: rereadRows(storedRows(cache, layer, "key")),
    value: rereadRows(storedRows(cache, layer, "value")),
  })),
});

const rereadRows = (stored: StoredRows): Float32Array[] => {
  const decoded = decodedRows(stored);
  return stored.rows.map((row, token) => rounded(decoded[token]) ?? row);
};

const rounded = (row: Float32Array | undefined): Float32Array | undefined => {
  const copy = row?.slice();
  if (copy) roundDecoded(copy);
  return copy;
};
