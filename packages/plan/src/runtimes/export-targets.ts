import type { Plan } from "../plan.ts";
import { layerShape } from "../shape.ts";
import { expressAsPreset } from "./kvtuner-yaml.ts";
import { expressForLlamaCpp } from "./llama-cpp.ts";
import { expressForModelOpt } from "./modelopt.ts";
import { storedBits, type ExpressedPlan, type Tensor } from "./runtime-type.ts";
import { expressForTransformers } from "./transformers.ts";
import { expressForVllm } from "./vllm.ts";

/** Names of formats that a plan can be written in. */
export type ExportTarget = "kvtuner-yaml" | "llama.cpp" | "vllm" | "modelopt" | "transformers";

const TARGETS: Readonly<Record<ExportTarget, (plan: Plan) => ExpressedPlan>> = {
  "kvtuner-yaml": expressAsPreset,
  "llama.cpp": expressForLlamaCpp,
  vllm: expressForVllm,
  modelopt: expressForModelOpt,
  transformers: expressForTransformers,
};

/** Formats that a plan can be written in. A target is one file and one line here. */
export const EXPORT_TARGETS: readonly ExportTarget[] = Object.keys(TARGETS) as ExportTarget[];

/** Keys or values of a layer that a target stores in other bits than the plan, with their share of scales. */
export interface ExportChange {
  /** In the plan's order. */
  readonly layer: number;
  readonly tensor: Tensor;
  /** What the target stores it in. */
  readonly type: string;
  readonly planned: number;
  readonly exported: number;
}

/** A plan in the nearest setting of a target. */
export interface ExportedPlan extends Pick<ExpressedPlan, "text" | "notes"> {
  /** The plan that the target stores, which can be evaluated. */
  readonly plan: Plan;
  readonly changes: readonly ExportChange[];
}

/** Differences below this come from rounding. */
const SAME_BITS = 1e-3;

/** Writes the nearest setting that a target can express, and says what that raises or lowers. */
export const exportPlan = (plan: Plan, target: ExportTarget): ExportedPlan => {
  const { layers, text, notes } = TARGETS[target](plan);
  const changes = layers.flatMap((own, layer) => {
    const heads = layerShape(plan.shape, layer);
    return (["key", "value"] as const).map((tensor) => ({
      layer,
      tensor,
      type: own[`${tensor}Type`],
      planned: storedBits(plan.layers[layer]![tensor], heads),
      exported: storedBits(own[tensor], heads),
    }));
  });
  const { model, shape } = plan;
  const stored = layers.map(({ key, value, residency }) => ({ key, value, residency }));
  return {
    plan: { version: 2, model, shape, layers: stored },
    text,
    notes,
    changes: changes.filter(({ planned, exported }) => Math.abs(planned - exported) > SAME_BITS),
  };
};
