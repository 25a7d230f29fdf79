import { prefixAt, type TensorLayout } from "./tensor-layout.ts";

/** Tokens that a block reads at a time; as in kernels/attention-block.cuh. */
const TILE_TOKENS = 128;

/** Blocks for each multiprocessor, when the context is long enough: some run while others wait for memory. */
const BLOCKS_EACH = 4;

/** How a launch shares its context out among blocks. */
export interface Splits {
  /** Tokens of a split, a multiple of a tile. */
  readonly splitTokens: number;
  /** Splits of each segment of kernels/segments.cuh. */
  readonly segmentSplits: readonly number[];
  /** All of them together. */
  readonly count: number;
}

/** Queries of a launch: they see `shortest` tokens, and so on up to `longest`. */
export interface Lengths {
  readonly shortest: number;
  readonly longest: number;
}

/**
 * Cuts the segments of a layer so that a GPU has enough to do.
 *
 * @param blocks that the launch has for each split
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

/** Tokens that some query of the launch reads, segment by segment; coded ones from the start of a page. */
const segmentTokens = (key: TensorLayout, value: TensorLayout, { shortest, longest }: Lengths): number[] => {
  const { sinks } = key.layer.residency;
  const [from, to] = [bounds(key, value, shortest), bounds(key, value, longest)];
  const coded = (begin: number, end: number): number => {
    const start = sinks + Math.floor((begin - sinks) / TILE_TOKENS) * TILE_TOKENS;
    return end > begin ? end - start : 0;
  };
  return [
    Math.min(sinks, longest),
    coded(sinks, Math.min(to.key, to.value)),
    coded(from.value, to.key),
    coded(from.key, to.value),
    Math.max(0, longest - Math.max(from.key, from.value)),
  ];
};

/** Where codes of keys and of values end for a query. */
const bounds = (key: TensorLayout, value: TensorLayout, length: number): { key: number; value: number } => ({
  key: key.layer.residency.sinks + prefixAt(key, length),
  value: key.layer.residency.sinks + prefixAt(value, length),
});
