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

/** Bytes of a plan's layers at any length. Layers of equal scheme and sizes are counted once. */
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

/** Longest context to search; a longer one counts as this. */
const LONGEST = 2 ** 40;

/**
 * A growing cache shrinks whenever a block is encoded. In 16 bits a block takes at most this many times its encoded bytes,
 * so bytes are above their old peak again within this many blocks.
 */
const DIP_BLOCKS = 16;

/** The longest context to which a cache can grow without ever exceeding `budget` bytes. */
export const largestContext = (bytesAt: BytesAt, layers: readonly LayerScheme[], budget: number): number => {
  const over = firstOver(bytesAt, budget);
  const dip = DIP_BLOCKS * Math.max(1, ...layers.flatMap(({ key, value }) => [blockTokens(key), blockTokens(value)]));
  for (let tokens = Math.max(1, over - dip); tokens < over; tokens++) if (bytesAt(tokens) > budget) return tokens - 1;
  return over - 1;
};

/** A length that exceeds the budget although the one before does not. */
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
