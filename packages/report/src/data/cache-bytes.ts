import { blockTokens, layerBytes, parseShorthand, type CacheShape, type LayerScheme } from "@kvtuner/plan";

/** A layer in 16 bits. */
export const EXACT_LAYER: LayerScheme = parseShorthand("none").layer;

/** Bytes of the whole cache in 16 bits. */
export const exactCacheBytes = (shape: CacheShape, tokens: number): number =>
  shape.layers * layerBytes(EXACT_LAYER, shape, tokens).total;

/** Bytes of a cache at a length. */
export type BytesAt = (tokens: number) => number;

/** Bytes of a plan's layers at any length; equal layers are counted once. */
export const bytesOfLayers = (layers: readonly LayerScheme[], shape: CacheShape): BytesAt => {
  const kinds = new Map<string, { readonly layer: LayerScheme; count: number }>();
  for (const layer of layers) {
    const key = JSON.stringify(layer);
    const kind = kinds.get(key) ?? { layer, count: 0 };
    kind.count++;
    kinds.set(key, kind);
  }
  return (tokens) =>
    [...kinds.values()].reduce((sum, { layer, count }) => sum + count * layerBytes(layer, shape, tokens).total, 0);
};

/** Longer contexts than this are no question of bytes any more. */
const LONGEST = 2 ** 40;

/**
 * Bytes of a growing cache fall whenever a block is encoded. A block's tokens in 16 bits take at most this many times what
 * they take once encoded, so a dip is over within so many blocks.
 */
const DIP_BLOCKS = 16;

/** The context that a budget buys: the longest to which a cache can grow and never take more than `budget` bytes. */
export const largestContext = (bytesAt: BytesAt, layers: readonly LayerScheme[], budget: number): number => {
  const over = firstOver(bytesAt, budget);
  const dip = DIP_BLOCKS * Math.max(1, ...layers.flatMap(({ key, value }) => [blockTokens(key), blockTokens(value)]));
  for (let tokens = Math.max(1, over - dip); tokens < over; tokens++) if (bytesAt(tokens) > budget) return tokens - 1;
  return over - 1;
};

/** A length that is over the budget while the one before is not. */
const firstOver = (bytesAt: BytesAt, budget: number): number => {
  let [within, over] = [0, 1];
  while (over < LONGEST && bytesAt(over) <= budget) [within, over] = [over, over * 2];
  while (over - within > 1) {
    const middle = Math.floor((within + over) / 2);
    if (bytesAt(middle) <= budget) within = middle;
    else over = middle;
  }
  return over;
};
