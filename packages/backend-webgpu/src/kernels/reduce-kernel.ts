import type { AttentionSpec, LayerShape } from "@kvtuner/plan";
import { headConstants } from "./head-constants.ts";
import { type KernelSource, kernelSource, part } from "./kernel-source.ts";
import { PLAIN } from "./variant.ts";

/** The kernel that adds partial sums, for a layer's sizes and the way it attends. */
export const reduceSource = (
  { headSize, valueSize = headSize }: Pick<LayerShape, "headSize" | "valueSize">,
  { softcap, sinkLogits }: AttentionSpec,
): KernelSource => {
  const sinks = sinkLogits === undefined ? "no-sink-logits" : "sink-logits";
  const isCapped = softcap !== undefined;
  const name = `reduce ${headSize} ${valueSize} ${sinks}${isCapped ? " capped" : ""}`;
  const known =
    sources.get(name) ?? composed(name, sinks, valueSize, { KEY_SIZE: `${headSize}u`, IS_CAPPED: String(isCapped) });
  sources.set(name, known);
  return known;
};

/** Cached: building the text takes longer than a call. */
const sources = new Map<string, KernelSource>();

const composed = (
  name: string,
  sinks: string,
  valueSize: number,
  constants: Readonly<Record<string, string>>,
): KernelSource =>
  kernelSource(
    name,
    ["read", "read", "read", "read", "write", ...(sinks === "sink-logits" ? (["read"] as const) : [])],
    PLAIN,
    { ...headConstants(valueSize), ...constants },
    ["reduce", "region", "weights", "hadamard", sinks].map(part),
  );
