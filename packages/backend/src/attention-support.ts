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
    assertSpec(layer, spec, shape);
    assertOneSize(backend, layer, shape);
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

const assertSpec = (layer: number, spec: AttentionSpec, { queryHeads }: CacheShape): void => {
  const { scale, mask, softcap = 1, sinkLogits, keyStage } = spec;
  const isSound =
    isPositive(scale) &&
    isPositive(softcap) &&
    (mask.kind === "causal" || (mask.kind === "sliding" && Number.isSafeInteger(mask.span) && mask.span > 0)) &&
    (sinkLogits === undefined || (sinkLogits.length === queryHeads && sinkLogits.every(Number.isFinite))) &&
    keyStage === "after-rope";
  if (isSound) return;
  throw new UnsupportedShapeError(
    `expected layer ${layer} to attend with a positive scale and softcap, a whole span from 1, a finite sink logit for each of ${queryHeads} query heads and keys after RoPE, got ${JSON.stringify(spec)}; check the model's configuration`,
  );
};

const isPositive = (value: number): boolean => Number.isFinite(value) && value > 0;

const SIZES = ["queryHeads", "kvHeads", "headSize"] as const satisfies readonly (keyof LayerShape)[];

/** Stores lay out all layers alike. */
const assertOneSize = (backend: string, layer: number, shape: CacheShape): void => {
  const own = layerShape(shape, layer);
  const { valueSize = own.headSize, sharesCacheOf } = own;
  if (SIZES.every((size) => own[size] === shape[size]) && valueSize === own.headSize && sharesCacheOf === undefined)
    return;
  throw new UnsupportedShapeError(
    `backend ${backend} needs layers of one size, with values as long as keys and a cache of their own, got another at layer ${layer}; choose another backend`,
  );
};
