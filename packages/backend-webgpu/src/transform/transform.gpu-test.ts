import type { Backend, SchemeFamily } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import { type Asset, FORMATS, type LayerScheme, PLAIN_TRANSFORM } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { PLAIN } from "../kernels/variant.ts";
import { testDevice } from "../test-support/node-gpu.ts";
import { cpuCall, deviceCall } from "../test-support/rows.ts";
import { createWebGpuBackend } from "../webgpu-backend.ts";

const { device, skipped } = await testDevice();

/** Schemes for the laws: one of keys and one of values, without tables of a head's size. benchmarks/test/webgpu-transform.gpu-test.ts has the others. */
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
  const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
  return { ...backend, capabilities: { ...backend.capabilities, key: [KEYS], value: [VALUES] } };
};

describe.skipIf(skipped)(`laws of the codec transform${skipped ? ` (${skipped})` : ""}`, () => {
  it.each(["schemes", "finite", "retune", "snapshot"] as const)("%s", async (law) => {
    await expect(LAWS[law].check({ name: "webgpu", createBackend, assets: [TURNS] })).resolves.toBeUndefined();
  });
});

describe.skipIf(skipped)(`device tensors${skipped ? ` (${skipped})` : ""}`, () => {
  const shape = { layers: 1, queryHeads: 4, kvHeads: 2, headSize: 32 };
  const scheme = { ...PLAIN_TRANSFORM, bits: 3, gain: "log4" } as const;
  const layer: LayerScheme = { key: scheme, value: scheme, residency: { kind: "prefix", sinks: 2, recent: 5 } };
  const plan = { shape, layers: [layer] };

  it("give what tensors on the CPU give", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const [cpu, gpu] = [await backend.createCache(shape, plan), await backend.createCache(shape, plan)];
    for (const [seed, tokens] of [200, 1, 3].entries()) {
      const tensors = cpuCall(shape, tokens, seed);
      const expected = await cpu.attend(0, ...tensors);
      const output = await gpu.attend(0, ...deviceCall(device!, tensors));
      expect(await output.getData()).toEqual(expected.data);
    }
    await backend.dispose();
  });

  it("in a destroyed buffer are refused, and the cache stays as it was", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    await cache.attend(0, ...cpuCall(shape, 40, 0));
    const call = deviceCall(device!, cpuCall(shape, 1, 1));
    call[1].gpuBuffer.destroy();
    await expect(cache.attend(0, ...call)).rejects.toMatchObject({ code: "BACKEND_TENSOR_BUFFER" });
    expect(cache.length).toBe(40);
    await cache.attend(0, ...cpuCall(shape, 1, 1));
    await backend.dispose();
  });
});
