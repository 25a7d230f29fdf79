import { layerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { nodeGpu, testDevice } from "./test-support/node-gpu.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const { skipped } = await testDevice();

/** A device with WebGPU's guaranteed limits only. */
const plainDevice = async (): Promise<GPUDevice> => (await nodeGpu.requestAdapter())!.requestDevice();

describe.skipIf(skipped)(`a device of the least limits${skipped ? ` (${skipped})` : ""}`, () => {
  it("attends with more bytes of queries than a binding has, for a piece of as many tokens as others take", async () => {
    const shape = { layers: 1, queryHeads: 512, kvHeads: 1, headSize: 256 };
    const tokens = 2;
    const backend = await createWebGpuBackend({ device: await plainDevice(), kernels: PLAIN });
    const cache = await backend.createCache(shape, {
      shape,
      layers: [layerScheme("per-token", { key: 4, value: 4 })],
    });
    const rows = (count: number, number: number): Tensor => {
      const width = count * shape.headSize;
      return new Tensor("float32", new Float32Array(tokens * width).fill(number), [1, tokens, width]);
    };
    const output = await cache.attend(
      0,
      rows(shape.queryHeads, 0.1),
      rows(shape.kvHeads, 0.2),
      rows(shape.kvHeads, 1.5),
    );
    // The mean of equal values is that value, for any weights.
    expect((output.data as Float32Array).every((number) => Math.abs(number - 1.5) < 1e-3)).toBe(true);
    await backend.dispose();
  });
});
