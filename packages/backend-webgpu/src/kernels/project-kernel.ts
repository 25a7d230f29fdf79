import { headConstants } from "./head-constants.ts";
import { type KernelSource, kernelSource, part } from "./kernel-source.ts";
import { PLAIN } from "./variant.ts";

/** The kernel that changes queries to the basis of the channels of keys. */
export const projectSource = (headSize: number): KernelSource => {
  const known = sources.get(headSize) ?? composed(headSize);
  sources.set(headSize, known);
  return known;
};

/** Cached: building the text takes longer than a call. */
const sources = new Map<number, KernelSource>();

const composed = (headSize: number): KernelSource =>
  kernelSource(
    `project-rows ${headSize}`,
    ["write", "read"],
    PLAIN,
    { ...headConstants(headSize), TABLES_BINDING: "2u" },
    ["project-rows", "region", "transform-tables"].map(part),
  );
