import { layerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import type { GpuCounters } from "./device/counters.ts";
import { COPY_SOURCE, STORAGE } from "./device/usage.ts";
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

  it("share a few buffers for outputs, whatever the calls' tokens", async () => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    (await cache.attend(0, ...deviceCall(device!, cpuCall(shape, 16, 0)))).dispose();
    const before = { ...backend.counters };
    for (const tokens of [15, 14, 13, 12])
      (await cache.attend(0, ...deviceCall(device!, cpuCall(shape, tokens, tokens)))).dispose();
    // A longer cache may need two larger buffers of partial sums.
    expect(growth(before, backend.counters).buffers).toBeLessThanOrEqual(2);
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

  const bytes = 4 * 64;
  it.each([
    ["without COPY_SRC", "BACKEND_TENSOR_BUFFER", () => tensorIn(device!, { size: 2 * bytes, usage: STORAGE })],
    [
      "that are too short",
      "BACKEND_TENSOR_BUFFER",
      () => tensorIn(device!, { size: bytes, usage: STORAGE | COPY_SOURCE }),
    ],
    [
      "that are none",
      "BACKEND_TENSOR_LOCATION",
      () => Tensor.fromMLTensor({} as never, { dataType: "float32", dims: [1, 1, 128] }),
    ],
  ])("in buffers %s are refused", async (_, code, makeKey) => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    const [query, , value] = deviceCall(device!, cpuCall(shape, 1, 0));
    const key = makeKey();
    // All three must be in the same place.
    const others = key.location === "gpu-buffer" ? [query, value] : [tensorAt(key, query), tensorAt(key, value)];
    await expect(cache.attend(0, others[0]!, key, others[1]!)).rejects.toMatchObject({ code });
    expect(cache.length).toBe(0);
    await backend.dispose();
  });
});

const tensorIn = (owner: GPUDevice, description: GPUBufferDescriptor): Tensor =>
  Tensor.fromGpuBuffer(owner.createBuffer(description), { dataType: "float32", dims: [1, 1, 128] });

/** A tensor of `dims`, in the same place as another. */
const tensorAt = ({ location }: Tensor, { dims }: Tensor): Tensor =>
  ({ type: "float32", location, dims }) as unknown as Tensor;

const growth = (before: GpuCounters, after: Readonly<GpuCounters>): Partial<Record<keyof GpuCounters, number>> =>
  Object.fromEntries((Object.keys(before) as (keyof GpuCounters)[]).map((name) => [name, after[name] - before[name]]));
