import { blockTokens, isCoded, type LayerScheme, quantizedPrefix, type TensorScheme } from "@kvtuner/plan";

/** Queries evaluated at once; few enough that few tokens change from exact to quantized within a chunk. */
const CHUNK_ROWS = 64;

/** Neighbouring tokens read in one form: keys and values each quantized or exact. */
export interface ColumnRange {
  readonly start: number;
  readonly end: number;
  readonly keyQuantized: boolean;
  readonly valueQuantized: boolean;
}

/**
 * Some neighbouring queries and all columns that any of them reads. A token that turns from exact to quantized within the
 * chunk has a column for each form, and the mask gives every query the form that a growing cache would hold.
 */
export interface ColumnChunk {
  readonly firstQuery: number;
  readonly endQuery: number;
  readonly ranges: readonly ColumnRange[];
  readonly columns: number;
  /** Makes `[endQuery - firstQuery, columns]`: 0 where read, -Infinity elsewhere. Not kept, because masks are large. */
  readonly mask: () => Float32Array;
}

/** Layer schemes with equal keys read their tokens in the same forms at every position. */
export const geometryKey = ({ key, value, residency }: LayerScheme): string =>
  JSON.stringify([...[key, value].map((tensor) => isCoded(tensor) && blockTokens(tensor)), residency]);

/**
 * Chunks of a sequence of `tokens` under a layer scheme; `undefined` reads everything exact. Each query reads its newest
 * `span` tokens.
 */
export const columnChunks = (scheme: LayerScheme | undefined, tokens: number, span: number = Infinity): ColumnChunk[] =>
  chunkBounds(scheme, tokens).map(([firstQuery, endQuery]) => columnChunk({ scheme, span }, firstQuery, endQuery));

/** Which tokens a query reads, and in which form. */
interface Reading {
  readonly scheme: LayerScheme | undefined;
  /** Newest tokens that a query reads, including its own. */
  readonly span: number;
}

/** Chunks start where blocks fill up, so that prefixes of long blocks are constant within most of them. */
const chunkBounds = (scheme: LayerScheme | undefined, tokens: number): [number, number][] => {
  const offset = scheme ? (scheme.residency.sinks + scheme.residency.recent - 1 + CHUNK_ROWS) % CHUNK_ROWS : 0;
  const bounds: [number, number][] = offset > 0 ? [[0, Math.min(offset, tokens)]] : [];
  for (let first = offset; first < tokens; first += CHUNK_ROWS)
    bounds.push([first, Math.min(tokens, first + CHUNK_ROWS)]);
  return bounds;
};

const columnChunk = (reading: Reading, firstQuery: number, endQuery: number): ColumnChunk => {
  const isRead = (range: ColumnRange): boolean => {
    for (let query = Math.max(firstQuery, range.start); query < endQuery; query++) {
      const [start, end] = visible(reading, range, query);
      if (start < end) return true;
    }
    return false;
  };
  const ranges = candidateRanges(reading, firstQuery, endQuery).filter(isRead);
  const columns = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  return {
    firstQuery,
    endQuery,
    ranges,
    columns,
    mask: () => chunkMask(reading, firstQuery, endQuery, ranges, columns),
  };
};

/** Every form of every stretch of tokens between places where a query's prefix may end. */
const candidateRanges = ({ scheme, span }: Reading, firstQuery: number, endQuery: number): ColumnRange[] => {
  const first = Math.max(0, firstQuery + 1 - span);
  if (!scheme) return [{ start: first, end: endQuery, keyQuantized: false, valueQuantized: false }];
  const ends = [scheme.key, scheme.value].flatMap((tensor) => [
    prefixEnd(scheme, tensor, firstQuery),
    prefixEnd(scheme, tensor, endQuery - 1),
  ]);
  const cuts = [...new Set([first, scheme.residency.sinks, ...ends, endQuery])]
    .filter((cut) => cut >= first && cut <= endQuery)
    .sort((a, b) => a - b);
  return cuts
    .slice(0, -1)
    .flatMap((start, index) =>
      [false, true].flatMap((keyQuantized) =>
        [false, true].map((valueQuantized) => ({ start, end: cuts[index + 1]!, keyQuantized, valueQuantized })),
      ),
    );
};

/** Tokens `[start, end)` of a range that a query reads in its form; none when start >= end. */
const visible = ({ scheme, span }: Reading, range: ColumnRange, query: number): [number, number] => {
  const causal: [number, number] = [Math.max(range.start, query + 1 - span), Math.min(range.end, query + 1)];
  if (!scheme) return causal;
  const key = formRange(scheme, scheme.key, range.start, range.keyQuantized, query);
  const value = formRange(scheme, scheme.value, range.start, range.valueQuantized, query);
  return [Math.max(causal[0], key[0], value[0]), Math.min(causal[1], key[1], value[1])];
};

/** Tokens on the same side of the sinks' end as `start` that a query reads in the given form. */
const formRange = (
  scheme: LayerScheme,
  tensor: TensorScheme,
  start: number,
  quantized: boolean,
  query: number,
): [number, number] => {
  if (start < scheme.residency.sinks) return quantized ? [0, 0] : [0, scheme.residency.sinks];
  const end = prefixEnd(scheme, tensor, query);
  return quantized ? [scheme.residency.sinks, end] : [end, Infinity];
};

const prefixEnd = (scheme: LayerScheme, tensor: TensorScheme, query: number): number =>
  scheme.residency.sinks + quantizedPrefix(tensor, scheme, query + 1);

const chunkMask = (
  reading: Reading,
  firstQuery: number,
  endQuery: number,
  ranges: readonly ColumnRange[],
  columns: number,
): Float32Array => {
  const mask = new Float32Array((endQuery - firstQuery) * columns).fill(-Infinity);
  for (let query = firstQuery; query < endQuery; query++) {
    let offset = (query - firstQuery) * columns;
    for (const range of ranges) {
      const [start, end] = visible(reading, range, query);
      if (start < end) mask.fill(0, offset + start - range.start, offset + end - range.start);
      offset += range.end - range.start;
    }
  }
  return mask;
};
