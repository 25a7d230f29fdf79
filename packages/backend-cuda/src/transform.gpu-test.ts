import type { Backend, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import { type Asset, FORMATS } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { noCompiler } from "./test-support/compile-driver.ts";
import { createCudaBackendOnCpu } from "./test-support/cpu-backend.ts";

/** Schemes for the laws: one of keys and one of values, without tables of a head's size. benchmarks/test/cuda-transform.gpu-test.ts has the others. */
const FIELDS = { ...FORMATS.transform.fields, signs: ["none"], rotation: ["hadamard"], bits: [3], gain: ["log4"] };
const KEYS: SchemeFamily = {
  kind: "transform",
  fields: { ...FIELDS, stage: ["before-rope"], frequencies: ["turns"], pairing: ["neighbours"], rotation: ["none"] },
};
const VALUES: SchemeFamily = { kind: "transform", fields: { ...FIELDS, stage: ["as-given"] } };
const TURNS: Asset = {
  name: "turns",
  dtype: "float32",
  shape: [8],
  data: Float32Array.from({ length: 8 }, (_, pair) => 10_000 ** (-pair / 8)),
};

const createBackend = async (): Promise<Backend> => {
  const backend = await createCudaBackendOnCpu();
  return { ...backend, capabilities: { ...backend.capabilities, key: [KEYS], value: [VALUES] } };
};

const reason = noCompiler();

describe.skipIf(reason)(`laws of the codec transform${reason ? ` (${reason})` : ""}`, () => {
  it.each(["retune", "snapshot"] as const)("%s", async (law) => {
    await expect(LAWS[law].check({ name: "cuda", createBackend, assets: [TURNS] })).resolves.toBeUndefined();
  });
});
