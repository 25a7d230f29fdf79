import type { AttentionSpec } from "./attention.ts";
import type { CacheShape, LayerShape } from "./scheme.ts";
import { attentionOf, layerShape, sharingShape } from "./shape.ts";

/** A place where a model attends. */
export interface Hole {
  /** The layer whose keys and values the queries read. */
  readonly layer: number;
  /** Ordinal of the layer that shares them; absent where the layer with the cache itself attends. */
  readonly sharing?: number;
}

/** All places where a model attends, in its order: layers with a cache and those that share one. */
export const holesOf = ({ layers, sharing = [] }: CacheShape): Hole[] => {
  const shared = new Map(sharing.map(({ place, cacheOf }, index) => [place, { layer: cacheOf, sharing: index }]));
  let layer = 0;
  return Array.from({ length: layers + sharing.length }, (_, place) => shared.get(place) ?? { layer: layer++ });
};

/** Sizes and attention of one place of {@link holesOf}. */
export const holeShape = (
  shape: CacheShape,
  { layer, sharing }: Hole,
): LayerShape & { readonly attention: AttentionSpec } =>
  sharing === undefined
    ? { ...layerShape(shape, layer), attention: attentionOf(shape, layer) }
    : sharingShape(shape, sharing);
