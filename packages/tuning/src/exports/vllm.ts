import { cachePlaces, type LayerScheme, type Plan } from "@kvtuner/plan";
import { vllm } from "../advice/vllm.ts";
import { UNQUANTIZED } from "../runtimes/runtime.ts";
import { distanceIn, distanceOver, fits, lostParts, nearest, type ExpressedPlan } from "./expressed-plan.ts";

/** One type for all layers, of which some can be skipped: these stay in 16 bits. */
export const expressForVllm = (plan: Plan): ExpressedPlan => {
  const far = (layer: number, own: LayerScheme): number => distanceIn(plan, layer, own);
  const sixteen = { label: "auto", layers: plan.layers.map(() => UNQUANTIZED), paste: "--kv-cache-dtype auto" };
  const types = [sixteen, ...vllm.settings({ shape: plan.shape, ranges: [] })].filter(({ layers }) =>
    fits(plan, layers),
  );
  const skipping = types.map(({ label, layers, paste }) => {
    const isSkipped = layers.map(
      (own, layer) => own.key.kind !== "float16" && far(layer, UNQUANTIZED) < far(layer, own),
    );
    return { label, paste, isSkipped, layers: layers.map((own, layer) => (isSkipped[layer] ? UNQUANTIZED : own)) };
  });
  const { label, paste, isSkipped, layers } = nearest(skipping, (one) => distanceOver(plan, one.layers));
  const skipped = cachePlaces(plan.shape).filter((_, layer) => isSkipped[layer]);
  return {
    layers,
    types: layers.map(({ key }) => (key.kind === "float16" ? "auto" : label)),
    text: `${paste}${skipped.length > 0 ? ` --kv-cache-dtype-skip-layers ${skipped.join(" ")}` : ""}\n`,
    notes: [
      "vLLM has one type for keys and values of all layers; skipped layers stay in 16 bits.",
      ...(label === "nvfp4" ? ["nvfp4 needs a Blackwell GPU."] : []),
      ...lostParts(plan, layers),
    ],
  };
};
