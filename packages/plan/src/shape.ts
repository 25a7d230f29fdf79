import { type AttentionSpec, plainAttention } from "./attention.ts";
import type { CacheShape, LayerShape } from "./scheme.ts";

/** Sizes of one layer, and how it attends if the shape says so. */
export const layerShape = ({ layers: _, perLayer, ...common }: CacheShape, layer: number): LayerShape => ({
  ...common,
  ...perLayer?.[layer],
});

/** Sizes of every layer, in order. */
export const layerShapes = (shape: CacheShape): LayerShape[] =>
  Array.from({ length: shape.layers }, (_, layer) => layerShape(shape, layer));

/** How one layer attends; {@link plainAttention} unless its shape says otherwise. */
export const attentionOf = (shape: CacheShape, layer: number): AttentionSpec => {
  const { attention, headSize } = layerShape(shape, layer);
  return attention ?? plainAttention(headSize);
};

/** The sizes in a model's shape, which is what a plan records. How layers attend belongs to the model. */
export const sizesOf = ({ attention: _, perLayer, ...sizes }: CacheShape): CacheShape => {
  const layers = perLayer?.map(({ attention: _attention, ...differences }) => differences);
  return layers?.some((differences) => Object.keys(differences).length > 0) ? { ...sizes, perLayer: layers } : sizes;
};

const SIZES = ["queryHeads", "kvHeads", "headSize", "valueSize", "sharesCacheOf"] as const;

/** Differences between the sizes in a plan and a model's, in words. Lists single layers only if all else agrees. */
export const shapeDifferences = (plan: CacheShape, model: CacheShape): string[] => {
  const common = ["layers" as const, ...SIZES].flatMap((size) => difference(size, plan[size], model[size]));
  if (common.length > 0) return common;
  const layers = Math.max(plan.perLayer?.length ?? 0, model.perLayer?.length ?? 0);
  return Array.from({ length: layers }, (_, layer) => {
    const [planned, own] = [layerShape(plan, layer), layerShape(model, layer)];
    return SIZES.flatMap((size) => difference(`layer ${layer}: ${size}`, planned[size], own[size]));
  }).flat();
};

const difference = (name: string, plan?: number, model?: number): string[] =>
  plan === model ? [] : [`${name} ${plan ?? "none"} in the plan, ${model ?? "none"} in the model`];
