import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ModuleName } from "../device/device.ts";
import { kernelFolder } from "../kernel-folder.ts";

/** Files of each module. */
const ROOTS: Readonly<Record<ModuleName, readonly string[]>> = {
  kernels: ["encode.cu", "attention.cu", "images.cu", "transform.cu"],
  "tensor-cores": ["tensor-core-attention.cu"],
};

const INCLUDE = /^#include "([\w-]+\.cuh)"$/gm;

/** The source of a module as one text, with each header where it is first included. Needs no headers of CUDA. */
export const kernelSource = (module: ModuleName): string => {
  const seen = new Set<string>();
  return ROOTS[module].map((name) => expanded(name, seen)).join("\n");
};

const expanded = (name: string, seen: Set<string>): string => {
  if (seen.has(name)) return "";
  seen.add(name);
  const text = readFileSync(new URL(name, kernelFolder), "utf8").replaceAll("\r\n", "\n");
  return text.replace("#pragma once\n", "").replaceAll(INCLUDE, (_line, header: string) => expanded(header, seen));
};

/** SHA-256 of several texts, prefixed with their lengths. */
export const fingerprint = (...texts: readonly string[]): string => {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
};
