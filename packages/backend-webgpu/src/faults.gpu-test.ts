import { layerScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { alteredDevice } from "./test-support/altered-device.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { cpuCall } from "./test-support/rows.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const shape = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 32 };
const plan = { shape, layers: [layerScheme("kivi", { key: 4, value: 4 })] };

it.each([
  ["without WebGPU", {}, /expected WebGPU, got none; .*gpu: create/],
  [
    "without an adapter",
    { gpu: { requestAdapter: async () => null } as unknown as GPU },
    /expected an adapter, got none/,
  ],
  [
    "whose driver fails",
    { gpu: { requestAdapter: async () => Promise.reject(new Error("no driver")) } as unknown as GPU },
    /no driver/,
  ],
  [
    "whose adapter is used up",
    {
      adapter: {
        limits: {},
        features: new Set(),
        requestDevice: async () => Promise.reject(new Error("consumed")),
      } as unknown as GPUAdapter,
    },
    /expected a device of the adapter, got .*consumed/,
  ],
])("a machine %s is told so", async (_, options, message) => {
  await expect(createWebGpuBackend(options)).rejects.toMatchObject({
    code: "BACKEND_NO_ADAPTER",
    message: expect.stringMatching(message),
  });
});

const { device, skipped } = await testDevice();

describe.skipIf(skipped)(`a backend${skipped ? ` (${skipped})` : ""}`, () => {
  it("whose device is lost says so, and a snapshot from before goes on elsewhere", async () => {
    const doomed = (await testDevice()).device!;
    const backend = await createWebGpuBackend({ device: doomed, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    await cache.attend(0, ...cpuCall(shape, 70, 1));
    const snapshot = await cache.snapshot();
    const pending = cache.attend(0, ...cpuCall(shape, 1, 2));
    doomed.destroy();
    const lost = { code: "BACKEND_DEVICE_LOST" };
    const outcome = await pending.then(
      () => "done before the loss",
      (error: unknown) => (error as { readonly code: string }).code,
    );
    expect(["done before the loss", lost.code]).toContain(outcome);
    await doomed.lost;
    await expect(cache.attend(0, ...cpuCall(shape, 1, 2))).rejects.toMatchObject(lost);
    await expect(cache.snapshot()).rejects.toMatchObject(lost);
    expect(() => cache.truncate(3)).toThrow(expect.objectContaining(lost));
    await expect(backend.createCache(shape, plan)).rejects.toMatchObject(lost);
    await backend.dispose();
    const other = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const restored = await other.restoreCache(shape, plan, snapshot);
    expect((await restored.attend(0, ...cpuCall(shape, 1, 2))).dims).toEqual([1, 1, 64]);
    await other.dispose();
  });

  it("that cannot be made gives its own device back", async () => {
    const own = (await testDevice()).device!;
    const adapter = { limits: {}, features: new Set(), requestDevice: async () => own } as unknown as GPUAdapter;
    const kernels = { unknown: true } as object;
    await expect(createWebGpuBackend({ adapter, kernels })).rejects.toMatchObject({ code: "BACKEND_KERNELS" });
    await expect(own.lost).resolves.toMatchObject({ reason: "destroyed" });
  });

  it("spreads a layer over as many buffers as one binding of the device wants, to the same outputs", async () => {
    const whole = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const split = await createWebGpuBackend({ device: withSmallBindings(device!, 2 ** 14), kernels: PLAIN });
    const caches = [await whole.createCache(shape, plan), await split.createCache(shape, plan)];
    for (const [call, tokens] of [700, 1, 200, 1].entries()) {
      const [expected, output] = await Promise.all(
        caches.map((cache) => cache.attend(0, ...cpuCall(shape, tokens, call))),
      );
      expect(largestDifference(expected!.data as Float32Array, output!.data as Float32Array)).toBeLessThan(1e-5);
    }
    for (const cache of caches) cache.truncate(300);
    const [expected, output] = await Promise.all(caches.map((cache) => cache.snapshot()));
    expect(output).toEqual(expected);
    expect(split.counters.buffers).toBeGreaterThan(whole.counters.buffers);
    await whole.dispose();
    await split.dispose();
  });
});

/** The same device with a smaller limit on bindings. */
const withSmallBindings = (whole: GPUDevice, maxStorageBufferBindingSize: number): GPUDevice =>
  alteredDevice(whole, { limits: { ...limitsOf(whole), maxStorageBufferBindingSize } });

const limitsOf = ({ limits: { maxBufferSize, maxComputeWorkgroupsPerDimension } }: GPUDevice) => ({
  maxBufferSize,
  maxComputeWorkgroupsPerDimension,
});

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, number, index) => Math.max(largest, Math.abs(number - b[index]!)), 0);
