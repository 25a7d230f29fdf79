import {
  type AttentionSpec,
  attentionOf,
  type CacheShape,
  holesOf,
  layerShape,
  type LayerShape,
  layerSpan,
  sharingShape,
} from "@kvtuner/plan";
import type { AttentionFeatures, Capabilities } from "./capabilities.ts";
import { UnsupportedShapeError } from "./unsupported-shape.ts";

/**
 * Checks that the backend can attend as every layer of the model does.
 *
 * @throws UnsupportedShapeError `BACKEND_UNSUPPORTED_SHAPE` with the layer and the feature
 */
export const assertAttentionSupported = (backend: string, capabilities: Capabilities, shape: CacheShape): void => {
  const assertFeatures = (name: string, features: AttentionFeatures): void => {
    for (const [feature, isNeeded] of Object.entries(features))
      if (isNeeded && !capabilities.attention?.[feature as keyof AttentionFeatures])
        throw new UnsupportedShapeError(
          `expected a backend with attention feature ${feature}, which ${name} of the model needs, got ${backend}, which lacks it; choose another backend`,
        );
  };
  for (let layer = 0; layer < shape.layers; layer++) {
    const spec = attentionOf(shape, layer);
    assertSpec(`layer ${layer}`, spec, layerShape(shape, layer));
    assertFeatures(`layer ${layer}`, featuresOf(spec));
  }
  for (const index of (shape.sharing ?? []).keys()) {
    assertSharing(shape, index);
    const own = sharingShape(shape, index);
    assertSpec(`sharing layer ${index}`, own.attention, own);
    assertFeatures(`sharing layer ${index}`, { ...featuresOf(own.attention), sharedCaches: true });
  }
};

/** A layer that others share drops only what no query of its own span reads. */
const assertSharing = (shape: CacheShape, index: number): void => {
  const { cacheOf, queryHeads, place } = shape.sharing![index]!;
  const isLayer = Number.isInteger(cacheOf) && cacheOf >= 0 && cacheOf < shape.layers;
  const stored = isLayer ? layerShape(shape, cacheOf) : undefined;
  if (
    stored &&
    Number.isSafeInteger(queryHeads) &&
    queryHeads > 0 &&
    queryHeads % stored.kvHeads === 0 &&
    isBehind(shape, cacheOf, place) &&
    layerSpan(sharingShape(shape, index)) <= layerSpan(stored)
  )
    return;
  throw new UnsupportedShapeError(
    `expected sharing layer ${index} to come after the layer of ${shape.layers} that it reads, with a multiple of its KV heads and a span no larger than its own, got ${JSON.stringify(shape.sharing![index])}; check the model's configuration`,
  );
};

/** Whether values have another size than keys is checked with the other sizes. */
const featuresOf = ({ mask, softcap, sinkLogits }: AttentionSpec): AttentionFeatures => ({
  sliding: mask.kind === "sliding",
  softcap: softcap !== undefined,
  sinkLogits: sinkLogits !== undefined,
});

const isBehind = (shape: CacheShape, layer: number, place: number): boolean =>
  holesOf(shape).findIndex((hole) => hole.layer === layer && hole.sharing === undefined) < place &&
  place < shape.layers + shape.sharing!.length;

const assertSpec = (name: string, spec: AttentionSpec, { queryHeads }: LayerShape): void => {
  const { scale, mask, softcap = 1, sinkLogits, keyStage } = spec;
  if (keyStage !== "after-rope")
    throw new UnsupportedShapeError(
      `expected ${name} to attend over keys after RoPE (keyStage "after-rope"), got keyStage ${JSON.stringify(keyStage)}; apply RoPE to queries and keys first`,
    );
  const isSound =
    isPositive(scale) &&
    isPositive(softcap) &&
    (mask.kind === "causal" || (mask.kind === "sliding" && Number.isSafeInteger(mask.span) && mask.span > 0)) &&
    (sinkLogits === undefined || (sinkLogits.length === queryHeads && sinkLogits.every(Number.isFinite)));
  if (isSound) return;
  throw new UnsupportedShapeError(
    `expected ${name} to attend with a positive scale and softcap, a whole span from 1 and a finite sink logit for each of ${queryHeads} query heads, got ${JSON.stringify(spec)}; check the model's configuration`,
  );
};

const isPositive = (value: number): boolean => Number.isFinite(value) && value > 0;
