import { layerShape, tensorShape, type Plan } from "@kvtuner/plan";
import type { ChannelRanges } from "../runtimes/channel-ranges.ts";
import { llamaCpp } from "../runtimes/llama-cpp.ts";
import { transformers } from "../runtimes/transformers.ts";
import { storedBits, type ExpressedPlan } from "./expressed-plan.ts";
import { expressAsPreset } from "./kvtuner-yaml.ts";
import { expressForModelOpt } from "./modelopt.ts";
import { expressForOnnx } from "./onnx.ts";
import { expressAsSetting } from "./uniform-setting.ts";
import { expressForVllm } from "./vllm.ts";

/** Names of formats that a plan can be written in. */
export type ExportTarget = "kvtuner-yaml" | "llama.cpp" | "vllm" | "modelopt" | "transformers" | "onnx";

type Express = (plan: Plan, ranges: readonly ChannelRanges[]) => ExpressedPlan;

const TARGETS: Readonly<Record<ExportTarget, Express>> = {
  onnx: expressForOnnx,
  "kvtuner-yaml": expressAsPreset,
  "llama.cpp": expressAsSetting(llamaCpp, "--cache-type-k f16 --cache-type-v f16", [
    "llama.cpp has one type for the keys of all layers and one for their values.",
  ]),
  vllm: expressForVllm,
  modelopt: expressForModelOpt,
  transformers: expressAsSetting(transformers, "model.generate(...)", [
    "transformers has one number of bits for keys and values of all layers.",
  ]),
};

/** Formats that a plan can be written in. A target is one file and one line here. */
export const EXPORT_TARGETS: readonly ExportTarget[] = Object.keys(TARGETS) as ExportTarget[];

/** Keys or values of a layer that a target stores in other bits than the plan, with their share of scales. */
export interface ExportChange {
  /** In the plan's order. */
  readonly layer: number;
  readonly tensor: "key" | "value";
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

/**
 * Writes the nearest setting that a target can express, and says what that raises or lowers.
 *
 * @param ranges largest magnitudes of each layer's channels, for `onnx`, whose scales are fixed
 * @throws KvtunerError `EXPORT_RANGES` when they are missing
 */
export const exportPlan = (plan: Plan, target: ExportTarget, ranges: readonly ChannelRanges[] = []): ExportedPlan => {
  const { layers, types, text, notes } = TARGETS[target](plan, ranges);
  const changes = layers.flatMap((own, layer) => {
    const shape = layerShape(plan.shape, layer);
    return (["key", "value"] as const).map((tensor) => {
      const heads = tensorShape(shape, tensor);
      const planned = storedBits(plan.layers[layer]![tensor], heads);
      return { layer, tensor, type: types[layer]!, planned, exported: storedBits(own[tensor], heads) };
    });
  });
  const { model, shape } = plan;
  return {
    plan: { version: 2, model, shape, layers },
    text,
    notes,
    changes: changes.filter(({ planned, exported }) => Math.abs(planned - exported) > SAME_BITS),
  };
};
