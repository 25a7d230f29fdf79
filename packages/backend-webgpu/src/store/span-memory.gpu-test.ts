import { layerScheme, plainAttention } from "@kvtuner/plan";
import { expect, it } from "vitest";
import { PLAIN } from "../kernels/variant.ts";
import { testDevice } from "../test-support/node-gpu.ts";
import { cpuCall } from "../test-support/rows.ts";
import { createWebGpuBackend } from "../webgpu-backend.ts";

const { device, skipped } = await testDevice();

/** More than 1024 tokens, so that the cycle has two blocks. */
const SPAN = 1100;
const shape = {
  layers: 1,
  queryHeads: 1,
  kvHeads: 1,
  headSize: 32,
  attention: { ...plainAttention(32), mask: { kind: "sliding", span: SPAN } as const },
};

it.skipIf(skipped)(`a layer with a span stops allocating there${skipped ? ` (${skipped})` : ""}`, async () => {
  const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
  const cache = await backend.createCache(shape, { shape, layers: [layerScheme("per-token", { key: 4, value: 4 })] });
  const allocated: number[] = [];
  for (let call = 0; call < 4; call++) {
    await cache.attend(0, ...cpuCall(shape, 900, call));
    allocated.push(backend.counters.bufferBytes);
  }
  expect(allocated[1]).toBeGreaterThan(allocated[0]!);
  expect(allocated.slice(2)).toEqual([allocated[1], allocated[1]]);
  await backend.dispose();
});
