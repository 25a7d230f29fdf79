import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { kernelFolder } from "../kernel-folder.ts";

/** What the module of all kernels is made of. */
const ROOTS = ["encode.cu", "attention.cu", "images.cu"] as const;

const INCLUDE = /^#include "([\w-]+\.cuh)"$/gm;

/** The source of all kernels as one text, each header where it is first included. Headers of CUDA are not needed. */
export const kernelSource = (): string => {
  const seen = new Set<string>();
  return ROOTS.map((name) => expanded(name, seen)).join("\n");
};

const expanded = (name: string, seen: Set<string>): string => {
  if (seen.has(name)) return "";
  seen.add(name);
  const text = readFileSync(new URL(name, kernelFolder), "utf8").replaceAll("\r\n", "\n");
  return text.replace("#pragma once\n", "").replaceAll(INCLUDE, (_line, header: string) => expanded(header, seen));
};

/** SHA-256 of several texts, each told from the next. */
export const fingerprint = (...texts: readonly string[]): string => {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
};
