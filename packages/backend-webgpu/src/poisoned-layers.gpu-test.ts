import { layerScheme } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { cpuCall, deviceCall } from "./test-support/rows.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const shape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };
const plan = {
  shape,
  layers: [layerScheme("per-token", { key: 4, value: 4 }), layerScheme("kivi", { key: 4, value: 2 }, { sinks: 2 })],
};
const coarser = { shape, layers: plan.layers.map(() => layerScheme("per-token", { key: 2, value: 2 })) };

const { device, skipped } = await testDevice();
const float16 = { ...PLAIN, float16: device?.features.has("shader-f16") ?? false };

/** A call on the device with one number replaced. */
const callWith = (tokens: number, index: number, number: number): readonly [Tensor, Tensor, Tensor] => {
  const tensors = cpuCall(shape, tokens, 1);
  (tensors[index]!.data as Float32Array)[5] = number;
  return deviceCall(device!, tensors);
};

describe.skipIf(skipped)(`numbers that float16 does not hold${skipped ? ` (${skipped})` : ""}`, () => {
  const cases = [
    ["NaN in a query", 0, NaN],
    ["infinity in a key", 1, Infinity],
    ["a value beyond float16", 2, 70_000],
  ] as const;

  const kernelChoices = [
    ["float32", PLAIN],
    ["float16", float16],
  ] as const;

  it.each(kernelChoices.flatMap(([name, kernels]) => cases.map((each) => [name, ...each, kernels] as const)))(
    "come out of kernels in %s as NaN until the cache is truncated to nothing: %s",
    async (_, __, index, number, kernels) => {
      const backend = await createWebGpuBackend({ device: device!, kernels });
      const cache = await backend.createCache(shape, plan);
      for (const layer of [0, 1]) {
        await cache.attend(layer, ...deviceCall(device!, cpuCall(shape, 3, 0)));
        const output = await cache.attend(layer, ...callWith(1, index, number));
        expect((await output.getData())[0]).toBeNaN();
      }
      cache.truncate(0);
      for (const layer of [0, 1]) {
        const later = await cache.attend(layer, ...deviceCall(device!, cpuCall(shape, 1, 2)));
        expect((await later.getData()).some(Number.isNaN)).toBe(false);
      }
      await backend.dispose();
    },
  );

  it.each([70_000, Infinity, NaN])("are in no snapshot and under no other plan: %f", async (number) => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const cache = await backend.createCache(shape, plan);
    await cache.attend(0, ...deviceCall(device!, cpuCall(shape, 40, 0)));
    await cache.attend(1, ...callWith(40, 2, number));
    const refusal = { code: "BACKEND_TENSOR_NOT_FINITE", message: expect.stringContaining("layer 1") as string };
    await expect(cache.snapshot()).rejects.toMatchObject(refusal);
    await expect(cache.retune(coarser)).rejects.toMatchObject(refusal);
    cache.truncate(0);
    await cache.retune(coarser);
    await cache.snapshot();
    await backend.dispose();
  });
});
