import { planSize, type PlanSize } from "./bytes.ts";
import { modesFor } from "./head-fit.ts";
import { layerScheme, type Pair } from "./mode.ts";
import type { ModelIdentity, Plan } from "./plan.ts";
import type { CacheShape, LayerScheme } from "./scheme.ts";
import { formatPair } from "./shorthand.ts";

/** A plan with one scheme in every layer. */
export const uniformPlan = (model: ModelIdentity, shape: CacheShape, layer: LayerScheme): Plan => ({
  version: 2,
  model,
  ...inEveryLayer(shape, layer),
});

const inEveryLayer = (shape: CacheShape, layer: LayerScheme): Pick<Plan, "shape" | "layers"> => ({
  shape,
  layers: Array.from({ length: shape.layers }, () => layer),
});

/** One pair in every layer. */
export interface UniformSize extends Pick<PlanSize, "bytes" | "bits"> {
  /** Shorthand, `kivi:K4V2` and the like. */
  readonly plan: string;
}

/** Sizes of uniform plans at `length` tokens: mode by mode of those that the heads fit, the smallest first. */
export const uniformSizes = (shape: CacheShape, pairs: readonly Pair[], length: number): UniformSize[] =>
  modesFor(shape.headSize).flatMap((mode) =>
    pairs
      .map((pair) => {
        const { bytes, bits } = planSize(inEveryLayer(shape, layerScheme(mode, pair)), length);
        return { plan: `${mode}:${formatPair(pair)}`, bytes, bits };
      })
      .toSorted((one, other) => one.bytes - other.bytes),
  );
