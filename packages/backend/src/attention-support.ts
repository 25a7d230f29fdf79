import { type AttentionSpec, attentionOf, type CacheShape, layerShape, type LayerShape } from "@kvtuner/plan";
import type { AttentionFeatures, Capabilities } from "./capabilities.ts";
import { UnsupportedShapeError } from "./unsupported-shape.ts";

/**
 * Checks that the backend can attend as every layer of the model does.
 *
 * @throws UnsupportedShapeError `BACKEND_UNSUPPORTED_SHAPE` with the layer and the feature
 */
export const assertAttentionSupported = (backend: string, capabilities: Capabilities, shape: CacheShape): void => {
  for (let layer = 0; layer < shape.layers; layer++) {
    const spec = attentionOf(shape, layer);
    assertSpec(layer, spec, layerShape(shape, layer));
    for (const [feature, isNeeded] of Object.entries(featuresOf(spec)))
      if (isNeeded && !capabilities.attention?.[feature as keyof AttentionFeatures])
        throw new UnsupportedShapeError(
          `expected a backend with attention feature ${feature}, which layer ${layer} of the model needs, got ${backend}, which lacks it; choose another backend`,
        );
  }
};

const featuresOf = ({ mask, softcap, sinkLogits }: AttentionSpec): AttentionFeatures => ({
  sliding: mask.kind === "sliding",
  softcap: softcap !== undefined,
  sinkLogits: sinkLogits !== undefined,
});

const assertSpec = (layer: number, spec: AttentionSpec, { queryHeads }: LayerShape): void => {
  const { scale, mask, softcap = 1, sinkLogits, keyStage } = spec;
  if (keyStage !== "after-rope")
    throw new UnsupportedShapeError(
      `expected layer ${layer} to attend over keys after RoPE (keyStage "after-rope"), got keyStage ${JSON.stringify(keyStage)}; apply RoPE to queries and keys first`,
    );
  const isSound =
    isPositive(scale) &&
    isPositive(softcap) &&
    (mask.kind === "causal" || (mask.kind === "sliding" && Number.isSafeInteger(mask.span) && mask.span > 0)) &&
    (sinkLogits === undefined || (sinkLogits.length === queryHeads && sinkLogits.every(Number.isFinite)));
  if (isSound) return;
  throw new UnsupportedShapeError(
    `expected layer ${layer} to attend with a positive scale and softcap, a whole span from 1 and a finite sink logit for each of ${queryHeads} query heads, got ${JSON.stringify(spec)}; check the model's configuration`,
  );
};

const isPositive = (value: number): boolean => Number.isFinite(value) && value > 0;
