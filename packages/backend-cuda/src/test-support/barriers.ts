import { readdirSync, readFileSync } from "node:fs";
import { kernelFolder } from "../kernel-folder.ts";

/** Location of a `__syncthreads()` in the kernels; lines count from 1. */
export type Barrier = readonly [file: string, line: number];

export const barriersOf = (): Barrier[] => readdirSync(kernelFolder).sort().flatMap(barriersOfFile);

const barriersOfFile = (file: string): Barrier[] => {
  const lines = readFileSync(new URL(file, kernelFolder), "utf8").split("\n");
  return lines.flatMap((text, index) => (text.includes("__syncthreads()") ? [[file, index + 1] as const] : []));
};
