import type { ModelIdentity, Plan } from "./plan.ts";
import type { CacheShape, LayerScheme } from "./scheme.ts";

/** A plan with one scheme in every layer. */
export const uniformPlan = (model: ModelIdentity, shape: CacheShape, layer: LayerScheme): Plan => ({
  version: 2,
  model,
  shape,
  layers: Array.from({ length: shape.layers }, () => layer),
});
