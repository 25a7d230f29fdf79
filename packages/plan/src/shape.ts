import { type AttentionSpec, plainAttention } from "./attention.ts";
import type { CacheShape, LayerShape } from "./scheme.ts";

/** Sizes of one layer, and how it attends where the shape says so. */
export const layerShape = ({ layers: _, perLayer, ...common }: CacheShape, layer: number): LayerShape => ({
  ...common,
  ...perLayer?.[layer],
});

/** How one layer attends: as its shape says, {@link plainAttention} by default. */
export const attentionOf = (shape: CacheShape, layer: number): AttentionSpec => {
  const { attention, headSize } = layerShape(shape, layer);
  return attention ?? plainAttention(headSize);
};

/** What a plan says of its model's shape: the sizes. How layers attend is the model's own. */
export const sizesOf = ({ attention: _, perLayer, ...sizes }: CacheShape): CacheShape => {
  const layers = perLayer?.map(({ attention: _attention, ...differences }) => differences);
  return layers?.some((differences) => Object.keys(differences).length > 0) ? { ...sizes, perLayer: layers } : sizes;
};
