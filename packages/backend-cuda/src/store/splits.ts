import { prefixAt, type TensorLayout } from "./tensor-layout.ts";

/** Tokens that a block reads at a time; same as in kernels/attention-block.cuh. */
const TILE_TOKENS = 128;

/** Blocks per multiprocessor for a long cache: some run while others wait for memory. */
const BLOCKS_EACH = 4;

/** How a launch divides the tokens among blocks. */
export interface Splits {
  /** Tokens of a split, a multiple of a tile. */
  readonly splitTokens: number;
  /** Splits of each segment of kernels/segments.cuh. */
  readonly segmentSplits: readonly number[];
  readonly count: number;
}

/**
 * Lengths that the queries of a launch see: `shortest` for the first, one more for each next, up to `longest`. A query reads
 * the newest `span` tokens.
 */
export interface Lengths {
  readonly shortest: number;
  readonly longest: number;
  readonly span: number;
}

/**
 * Splits the segments of a layer into enough work for the GPU.
 *
 * @param blocks per split
 */
export const splitContext = (
  key: TensorLayout,
  value: TensorLayout,
  lengths: Lengths,
  blocks: number,
  multiprocessors: number,
): Splits => {
  const tokens = segmentTokens(key, value, lengths);
  const wanted = Math.max(1, Math.floor((BLOCKS_EACH * multiprocessors) / blocks));
  const all = tokens.reduce((sum, count) => sum + count, 0);
  const splitTokens = TILE_TOKENS * Math.max(1, Math.ceil(all / wanted / TILE_TOKENS));
  const segmentSplits = tokens.map((count) => Math.ceil(count / splitTokens));
  return { splitTokens, segmentSplits, count: segmentSplits.reduce((sum, count) => sum + count, 0) };
};

/** Tokens per segment that any query of the launch reads; codes count from the start of a page. */
const segmentTokens = (key: TensorLayout, value: TensorLayout, { shortest, longest, span }: Lengths): number[] => {
  const { sinks } = key.layer.residency;
  const first = Math.max(0, shortest - span);
  const [atFirst, atLast] = [codedEnds(key, value, shortest), codedEnds(key, value, longest)];
  const coded = (from: number, end: number): number => {
    const begin = Math.max(from, first);
    const start = sinks + Math.floor((begin - sinks) / TILE_TOKENS) * TILE_TOKENS;
    return end > begin ? end - start : 0;
  };
  return [
    Math.max(0, Math.min(sinks, longest) - first),
    coded(sinks, Math.min(atLast.key, atLast.value)),
    coded(atFirst.value, atLast.key),
    coded(atFirst.key, atLast.value),
    Math.max(0, longest - Math.max(atFirst.key, atFirst.value, first)),
  ];
};

/** Ends of the codes of keys and of values, for a query that sees `length` tokens. */
export const codedEnds = (key: TensorLayout, value: TensorLayout, length: number): { key: number; value: number } => ({
  key: key.layer.residency.sinks + prefixAt(key, length),
  value: key.layer.residency.sinks + prefixAt(value, length),
});
