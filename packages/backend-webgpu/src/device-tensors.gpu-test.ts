import { layerScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import type { GpuCounters } from "./device/counters.ts";
import { PLAIN } from "./kernels/variant.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { cpuCall, deviceCall } from "./test-support/rows.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const shape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };
const plan = {
  shape,
  layers: [layerScheme("kivi", { key: 4, value: 2 }, { sinks: 2 }), layerScheme("compact", { key: 4, value: 3 })],
};

const { device, skipped } = await testDevice();

describe.skipIf(skipped)(`device tensors${skipped ? ` (${skipped})` : ""}`, () => {
  it("give what tensors on the CPU give, prompt and tokens", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const [cpu, gpu] = [await backend.createCache(shape, plan), await backend.createCache(shape, plan)];
    for (const [call, tokens] of [200, 1, 1, 3].entries())
      for (let layer = 0; layer < shape.layers; layer++) {
        const tensors = cpuCall(shape, tokens, call);
        const expected = await cpu.attend(layer, ...tensors);
        const output = await gpu.attend(layer, ...deviceCall(device!, tensors));
        expect(output.location).toBe("gpu-buffer");
        expect(output.dims).toEqual(expected.dims);
        expect(await output.getData()).toEqual(expected.data);
      }
    await backend.dispose();
  });

  it("take one submit a layer and token, and no read-back, buffer or bind group", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    const attend = async (tokens: number, seed: number): Promise<void> => {
      for (let layer = 0; layer < shape.layers; layer++)
        (await cache.attend(layer, ...deviceCall(device!, cpuCall(shape, tokens, seed)))).dispose();
    };
    await attend(200, 0);
    for (let token = 0; token < 64; token++) await attend(1, token);
    const before = { ...backend.counters };
    for (let token = 0; token < 64; token++) await attend(1, token);
    expect(growth(before, backend.counters)).toMatchObject({
      submits: 64 * shape.layers,
      readBacks: 0,
      buffers: 0,
      bindGroups: 0,
      pipelines: 0,
    });
    await backend.dispose();
  });

  it("are refused when the three are not in one place", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    const [query, key, value] = cpuCall(shape, 1, 0);
    const [onDevice] = deviceCall(device!, [query, key, value]);
    await expect(cache.attend(0, onDevice, key, value)).rejects.toMatchObject({ code: "BACKEND_TENSOR_LOCATION" });
    expect(cache.length).toBe(0);
    await backend.dispose();
  });

  it.each([
    ["NaN in a query", 0, NaN],
    ["infinity in a key", 1, Infinity],
    ["a value beyond float16", 2, 70_000],
  ])("pass on %s as NaN", async (_, index, number) => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    await cache.attend(0, ...deviceCall(device!, cpuCall(shape, 3, 0)));
    const tensors = cpuCall(shape, 1, 1);
    (tensors[index]!.data as Float32Array)[5] = number;
    const output = await cache.attend(0, ...deviceCall(device!, tensors));
    expect((await output.getData())[0]).toBeNaN();
    cache.truncate(0);
    const later = await cache.attend(0, ...deviceCall(device!, cpuCall(shape, 1, 2)));
    expect((await later.getData()).some(Number.isNaN)).toBe(false);
    await backend.dispose();
  });
});

const growth = (before: GpuCounters, after: Readonly<GpuCounters>): Partial<Record<keyof GpuCounters, number>> =>
  Object.fromEntries((Object.keys(before) as (keyof GpuCounters)[]).map((name) => [name, after[name] - before[name]]));
