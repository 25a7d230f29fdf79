import {
  assertAssetsFit,
  type CacheShape,
  completeScheme,
  type FieldValues,
  FORMATS,
  KvtunerError,
  type LayerScheme,
  type LayerShape,
  layerShapes,
  schemeFault,
  shapeDifferences,
  tensorShape,
  type TensorScheme,
} from "@kvtuner/plan";
import { assertAttentionSupported } from "./attention-support.ts";
import type { CachePlan } from "./backend.ts";
import type { Capabilities } from "./capabilities.ts";
import { nearestScheme, supportsScheme } from "./nearest-scheme.ts";
import { UnsupportedSchemeError } from "./unsupported-scheme.ts";
import { UnsupportedShapeError } from "./unsupported-shape.ts";

/**
 * What every backend checks in `createCache`, `restoreCache` and `retune`: that the plan was made for the shape, and that
 * the capabilities have the sizes of every layer and every scheme.
 *
 * @throws UnsupportedSchemeError `BACKEND_UNSUPPORTED_SCHEME` with layer, scheme and the nearest supported one
 * @throws UnsupportedShapeError `BACKEND_UNSUPPORTED_SHAPE`
 * @throws PlanShapeError `BACKEND_PLAN_SHAPE` for another shape or number of layers, `BACKEND_PLAN_INVALID` for residency,
 *   groups or blocks that no plan can have
 * @throws AssetError `PLAN_ASSET_UNKNOWN` for a scheme that names an asset that the plan lacks, `PLAN_ASSET_UNFIT` for one that
 *   the scheme cannot use
 */
export const assertPlanSupported = (
  backend: string,
  capabilities: Capabilities,
  shape: CacheShape,
  plan: CachePlan,
): void => {
  assertSameShape(shape, plan);
  assertShape(backend, capabilities, shape);
  assertAttentionSupported(backend, capabilities, shape);
  const shapes = layerShapes(shape);
  for (const [layer, scheme] of plan.layers.entries()) {
    assertLayerScheme(layer, scheme, shapes[layer]!);
    for (const tensor of ["key", "value"] as const) {
      if (!supportsScheme(capabilities[tensor], scheme[tensor])) {
        const nearest = nearestScheme(
          capabilities[tensor],
          scheme[tensor],
          tensorShape(shapes[layer]!, tensor).headSize,
        );
        throw new UnsupportedSchemeError({
          backend,
          layer,
          tensor,
          scheme: scheme[tensor],
          ...(nearest ? { nearest } : {}),
        });
      }
      assertAssetsFit(scheme[tensor], tensorShape(shapes[layer]!, tensor), plan.assets);
    }
  }
};

const SIZES = ["queryHeads", "kvHeads", "headSize", "valueSize"] as const;

const assertSameShape = (shape: CacheShape, plan: CachePlan): void => {
  if (!plan?.shape || !Array.isArray(plan.layers))
    throw new PlanShapeError(
      "BACKEND_PLAN_INVALID",
      `expected a plan with shape and layers, got ${JSON.stringify(plan)?.slice(0, 80)}; make one with uniformPlan or parsePlan`,
    );
  const differences = shapeDifferences(plan.shape, shape);
  if (plan.layers.length !== shape.layers)
    differences.push(`${plan.layers.length} layer schemes in the plan, ${shape.layers} layers in the model`);
  if (differences.length > 0)
    throw new PlanShapeError(
      "BACKEND_PLAN_SHAPE",
      `expected a plan for the shape of the cache, got a different shape (${differences.join("; ")}); use a plan of this model`,
    );
};

const assertShape = (backend: string, capabilities: Capabilities, shape: CacheShape): void => {
  const isSound = ({ queryHeads, kvHeads, headSize, valueSize = headSize }: LayerShape): boolean =>
    [queryHeads, kvHeads, headSize, valueSize].every(isCount) && queryHeads % kvHeads === 0;
  if (!isCount(shape.layers) || ![shape, ...layerShapes(shape)].every(isSound))
    throw new UnsupportedShapeError(
      `expected positive integer sizes and a number of query heads divisible by the KV heads, got ${JSON.stringify(shape)}; check the model's configuration`,
    );
  for (const [layer, own] of layerShapes(shape).entries()) assertLayerShape(backend, capabilities, layer, own, shape);
};

const assertLayerShape = (
  backend: string,
  { headSizes, unevenLayers, attention }: Capabilities,
  layer: number,
  own: LayerShape,
  shape: CacheShape,
): void => {
  const { headSize, valueSize = headSize } = own;
  for (const size of [headSize, valueSize])
    if (headSizes !== "any" && !headSizes.includes(size))
      throw new UnsupportedShapeError(
        `backend ${backend} supports head sizes ${headSizes.join(", ")}, got ${size} at layer ${layer}; choose another backend`,
      );
  if (!unevenLayers && SIZES.some((size) => own[size] !== shape[size]))
    throw new UnsupportedShapeError(
      `backend ${backend} needs layers of one size, got another at layer ${layer}; choose another backend`,
    );
  if (valueSize !== headSize && !attention?.valueSize)
    throw new UnsupportedShapeError(
      `backend ${backend} needs values as long as keys, got ${valueSize} and ${headSize} at layer ${layer}; choose another backend`,
    );
};

const assertLayerScheme = (layer: number, scheme: LayerScheme, shape: LayerShape): void => {
  const { kind, sinks, recent } = scheme.residency ?? {};
  if (kind !== "prefix" || !isCount(sinks + 1) || !isCount(recent + 1))
    throw invalid(layer, "a residency of kind prefix with sinks and recent of whole numbers from 0", { ...scheme });
  for (const tensor of ["key", "value"] as const) assertScheme(layer, scheme[tensor], tensorShape(shape, tensor));
};

const assertScheme = (layer: number, scheme: TensorScheme, shape: LayerShape): void => {
  for (const [name, values] of Object.entries<FieldValues>(FORMATS[scheme.kind]?.fields ?? {})) {
    const value = (completeScheme(scheme) as unknown as Record<string, string | number>)[name]!;
    const isName = values.includes("asset") && typeof value === "string";
    if (values.includes("count") && !isName && !values.includes(value) && !isCount(value as number))
      throw invalid(layer, `a ${name} from 1`, scheme);
    if (values.includes("share") && !((value as number) > 0 && (value as number) <= 1))
      throw invalid(layer, `a ${name} above 0 and at most 1`, scheme);
  }
  const fault = schemeFault(scheme, shape);
  if (fault) throw invalid(layer, `a scheme ${fault}`, scheme);
};

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0;

const invalid = (layer: number, expected: string, got: object): PlanShapeError =>
  new PlanShapeError(
    "BACKEND_PLAN_INVALID",
    `expected layer ${layer} of the plan to have ${expected}, got ${JSON.stringify(got)}; read plans with parsePlan of @kvtuner/plan/files`,
  );

/** A plan for another shape, or an invalid one; `code` says which. */
export class PlanShapeError extends KvtunerError {
  override readonly name = "PlanShapeError";
}
