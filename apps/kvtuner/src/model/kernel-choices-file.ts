import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { KernelChoices } from "@kvtuner/backend-webgpu";
import { z } from "zod";
import { writeJsonAtomic } from "../study/atomic-file.ts";
import { makeFolder } from "../study/make-folder.ts";

/** Stores the fastest kernels of each adapter in a JSON file. An unreadable file counts as empty. */
export const kernelChoicesFile = (path: string): KernelChoices => ({
  get: (key) => readChoices(path)[key],
  set: (key, kernels) => {
    makeFolder(dirname(path));
    writeJsonAtomic(path, { ...readChoices(path), [key]: kernels });
  },
});

const readChoices = (path: string): Readonly<Record<string, string>> => {
  try {
    return CHOICES.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return {};
  }
};

const CHOICES = z.record(z.string(), z.string());
