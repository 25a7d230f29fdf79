import {
  blockTokens,
  layerBytes,
  layerShape,
  parseShorthand,
  storedNumbers,
  type CacheShape,
  type LayerScheme,
  type LayerShape,
} from "@kvtuner/plan";

/** A layer in 16 bits. */
export const EXACT_LAYER: LayerScheme = parseShorthand("none").layer;

/** Bytes of the whole cache in 16 bits. */
export const exactCacheBytes = (shape: CacheShape, tokens: number): number => 2 * storedNumbers(shape, tokens);

/** Bytes of a cache at a length. */
export type BytesAt = (tokens: number) => number;

/** Bytes of a plan's layers at any length; layers that are equal in scheme and sizes are counted once. */
export const bytesOfLayers = (layers: readonly LayerScheme[], shape: CacheShape): BytesAt => {
  const kinds = new Map<string, { readonly layer: LayerScheme; readonly sizes: LayerShape; count: number }>();
  for (const [index, layer] of layers.entries()) {
    const sizes = layerShape(shape, index);
    const key = JSON.stringify([layer, sizes]);
    const kind = kinds.get(key) ?? { layer, sizes, count: 0 };
    kind.count++;
    kinds.set(key, kind);
  }
  return (tokens) =>
    [...kinds.values()].reduce(
      (sum, { layer, sizes, count }) => sum + count * layerBytes(layer, sizes, tokens).total,
      0,
    );
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
