import type { AttentionCall } from "./attention-kernel.ts";

/** Queries that attend at once by default. */
const CHUNK_ROWS = 128;

/** Neighbouring queries of a causal sequence, and the columns from the oldest to the newest that any of them reads. */
export interface QueryTile {
  /** Positions of the queries, `first` up to `end`; the columns end there too. */
  readonly first: number;
  readonly end: number;
  /** Position of the first column. */
  readonly start: number;
  /** `[end - first, end - start]`: 0 where a query reads a column, -Infinity elsewhere. */
  readonly mask: Float32Array;
}

/** Queries, and columns that they read. */
export interface Tiling {
  /** Positions of the queries, `from` up to `to`. Columns start at position 0. */
  readonly from?: number;
  readonly to: number;
  /** Newest tokens that a query reads, including its own. */
  readonly span: number;
  /** Most queries in a tile. */
  readonly step?: number;
}

/** Cuts queries into tiles: no mask or scores of all queries by all columns are held. */
export function* queryTiles({ from = 0, to, span, step = CHUNK_ROWS }: Tiling): Generator<QueryTile> {
  for (let first = from; first < to; first += step) {
    const end = Math.min(to, first + step);
    const start = Math.max(0, first + 1 - span);
    yield { first, end, start, mask: causalMask(first - start, end - first, span) };
  }
}

/** The calls of attention over a whole sequence, tile by tile. */
export function* tiledCalls(
  { query, key, value }: Omit<AttentionCall, "mask">,
  tiling: Tiling,
): Generator<QueryTile & { readonly call: AttentionCall }> {
  const rows = (array: Float32Array, from: number, to: number): Float32Array =>
    rowsOf(array, array.length / tiling.to, from, to);
  for (const tile of queryTiles(tiling)) {
    const { first, end, start, mask } = tile;
    const call = { query: rows(query, first, end), key: rows(key, start, end), value: rows(value, start, end), mask };
    yield { ...tile, call };
  }
}

/** Some rows of `[rows, width]`. */
export const rowsOf = (array: Float32Array, width: number, from: number, to: number): Float32Array =>
  array.subarray(from * width, to * width);

/**
 * Mask of `rows` queries from position `start` on over columns `0 .. start + rows - 1`, row-major. Each query reads its
 * newest `span` tokens.
 */
const causalMask = (start: number, rows: number, span: number): Float32Array => {
  const columns = start + rows;
  const mask = new Float32Array(rows * columns).fill(-Infinity);
  for (let row = 0; row < rows; row++) {
    const end = start + row + 1;
    mask.fill(0, row * columns + Math.max(0, end - span), row * columns + end);
  }
  return mask;
};
