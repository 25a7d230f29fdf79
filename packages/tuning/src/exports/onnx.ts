import { KvtunerError, type LayerScheme, type Plan } from "@kvtuner/plan";
import type { ChannelRanges } from "../runtimes/channel-ranges.ts";
import { nodeMap, onnxruntime } from "../runtimes/onnxruntime.ts";
import { isQuantized, UNQUANTIZED } from "../runtimes/runtime.ts";
import { distanceIn, lostParts, nearest, type ExpressedPlan } from "./expressed-plan.ts";

/** Name of a layer's type, as `advise` spells it, and its scheme. */
interface LayerType {
  readonly name: string;
  readonly scheme: LayerScheme;
}

/**
 * GroupQueryAttention's cache of each layer: 8 or 4 bits for keys and values alike, with a fixed scale for each channel, or
 * floats.
 *
 * @param ranges largest magnitudes of each layer's channels
 * @throws KvtunerError `EXPORT_RANGES` for a layer without ranges
 */
export const expressForOnnx = (plan: Plan, ranges: readonly ChannelRanges[]): ExpressedPlan => {
  if (ranges.length !== plan.layers.length)
    throw new KvtunerError(
      "EXPORT_RANGES",
      `expected the largest numbers of ${plan.layers.length} layers for scales, got ${ranges.length}; pass those of the model`,
    );
  const settings = onnxruntime
    .settings({ shape: plan.shape, ranges })
    .filter(({ label }) => label.endsWith("per channel"));
  const chosen = plan.layers.map((_, layer): LayerType => {
    const types = settings.map(({ label, layers }) => ({ name: label, scheme: layers[layer]! }));
    const offered = [{ name: "float", scheme: UNQUANTIZED }, ...types];
    return nearest(offered, ({ scheme }) => distanceIn(plan, layer, scheme));
  });
  const names = chosen.map(({ name }) => name);
  const layers = chosen.map(({ scheme }) => scheme);
  return {
    layers,
    types: names,
    text: `${nodeMap(plan.shape, names)}\n`,
    notes: [
      ...(layers.some(isQuantized)
        ? [
            "Keys and values of a layer have the same bits. Scales are fixed: numbers beyond the calibrated range are clipped.",
          ]
        : []),
      ...lostParts(plan, layers),
    ],
  };
};
