import type { AttentionSpec, LayerShape } from "@kvtuner/plan";
import { headConstants } from "./head-constants.ts";
import { type Access, type KernelSource, kernelSource, part } from "./kernel-source.ts";
import { PLAIN } from "./variant.ts";

/**
 * The kernel that adds partial sums, for a layer's sizes and the way it attends.
 *
 * @param hasTables whether values are channels of the codec `transform`
 */
export const reduceSource = (
  { headSize, valueSize = headSize }: Pick<LayerShape, "headSize" | "valueSize">,
  { softcap, sinkLogits }: AttentionSpec,
  hasTables: boolean,
): KernelSource => {
  const sinks = sinkLogits === undefined ? "no-sink-logits" : "sink-logits";
  const isCapped = softcap !== undefined;
  const name = `reduce ${headSize} ${valueSize} ${sinks}${isCapped ? " capped" : ""}${hasTables ? " transform" : ""}`;
  const known =
    sources.get(name) ??
    composed(name, { sinks, hasTables }, valueSize, { KEY_SIZE: `${headSize}u`, IS_CAPPED: String(isCapped) });
  sources.set(name, known);
  return known;
};

/** Cached: building the text takes longer than a call. */
const sources = new Map<string, KernelSource>();

const composed = (
  name: string,
  { sinks, hasTables }: { readonly sinks: string; readonly hasTables: boolean },
  valueSize: number,
  constants: Readonly<Record<string, string>>,
): KernelSource =>
  kernelSource(
    name,
    [
      "read",
      "read",
      "read",
      "read",
      "write",
      ...Array<Access>(Number(sinks === "sink-logits") + Number(hasTables)).fill("read"),
    ],
    PLAIN,
    {
      ...headConstants(valueSize),
      ...constants,
      ...(hasTables && { TABLES_BINDING: sinks === "sink-logits" ? "7u" : "6u" }),
    },
    ["reduce", "region", "weights", "hadamard", sinks, ...RESTORE_PARTS[hasTables ? "transform" : "hadamard"]].map(
      part,
    ),
  );

const RESTORE_PARTS = { hadamard: ["restore-hadamard"], transform: ["restore-transform", "transform-tables"] };
