import type { AttentionSpec } from "@kvtuner/plan";
import { headConstants } from "./head-constants.ts";
import { type KernelSource, kernelSource, part } from "./kernel-source.ts";
import { PLAIN } from "./variant.ts";

/** The kernel that adds partial sums, for a head size and a way to attend. */
export const reduceSource = (headSize: number, { softcap, sinkLogits }: AttentionSpec): KernelSource => {
  const sinks = sinkLogits === undefined ? "no-sink-logits" : "sink-logits";
  const isCapped = softcap !== undefined;
  const name = `reduce ${headSize} ${sinks}${isCapped ? " capped" : ""}`;
  const known = sources.get(name) ?? composed(name, headSize, sinks, isCapped);
  sources.set(name, known);
  return known;
};

/** Cached: building the text takes longer than a call. */
const sources = new Map<string, KernelSource>();

const composed = (name: string, headSize: number, sinks: string, isCapped: boolean): KernelSource =>
  kernelSource(
    name,
    ["read", "read", "read", "read", "write", ...(sinks === "sink-logits" ? (["read"] as const) : [])],
    PLAIN,
    { ...headConstants(headSize), IS_CAPPED: String(isCapped) },
    ["reduce", "region", "weights", "hadamard", sinks].map(part),
  );
