import { type HeadImage, type KvCache, writeSnapshot } from "@kvtuner/backend";
import { type CacheShape, type LayerScheme, layerScheme, quantizedPrefix } from "@kvtuner/plan";
import { emptyBlock, mapParts } from "@kvtuner/quantizers";
import { describe, expect, test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";
import { callTensors } from "./test-support/calls.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { openCpuDriver } from "./test-support/cpu-driver.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 8, kvHeads: 2, headSize: 128 };
const LENGTH = 8192;

/** Float16 of 1, used for scales, minima and numbers: only their places count. */
const ONE = 0x3c00;

/** A snapshot with made-up contents. */
const snapshotOf = (shape: CacheShape, layer: LayerScheme): Promise<Uint8Array> => {
  const head = (tensor: "key" | "value"): HeadImage => {
    const prefix = quantizedPrefix(layer[tensor], layer, LENGTH);
    return {
      prefix: mapParts(emptyBlock(prefix, shape.headSize, layer[tensor]), (numbers) =>
        numbers.fill(numbers instanceof Uint8Array ? 0x5a : ONE),
      ),
      exact: new Uint16Array((LENGTH - prefix) * shape.headSize).fill(ONE),
    };
  };
  const [key, value] = [head("key"), head("value")];
  return writeSnapshot({
    shape,
    layers: [layer],
    length: LENGTH,
    tensors: [{ key: [key, key], value: [value, value] }],
  });
};

const reason = noCompiler();

describe.skipIf(reason)(`decoding on the CPU${reason ? ` (${reason})` : ""}`, () => {
  const PLANS = [
    ["per-token:K4V4", layerScheme("per-token", { key: 4, value: 4 })],
    ["per-token:K8V2", layerScheme("per-token", { key: 8, value: 2 })],
    ["kivi:K4V2", layerScheme("kivi", { key: 4, value: 2 })],
    ["kivi:K2V3", layerScheme("kivi", { key: 2, value: 3 })],
    ["compact:K3V4", layerScheme("compact", { key: 3, value: 4 })],
    ["per-token:K16V16", layerScheme("per-token", { key: 16, value: 16 })],
  ] as const;

  /** Bytes of the cache that attention of one token reads, and bytes of the cache. */
  const bytesOf = async (
    layer: LayerScheme,
    tensorCores: boolean,
    shape: CacheShape = SHAPE,
  ): Promise<{ read: number; held: number }> => {
    const driver = openCpuDriver();
    const backend = await createCudaBackend({ driver: driver.path, kernels: "ptx", tensorCores });
    const plan = { shape, layers: [layer] };
    const cache: KvCache = await backend.restoreCache(shape, plan, await snapshotOf(shape, layer));
    driver.countLoads(true);
    await cache.attend(0, ...callTensors(shape, 1));
    const kernels = ["attend_4_rows", "attend_8_rows", "attend_8_rows_on_tensor_cores"];
    const read = kernels.reduce((sum, kernel) => sum + driver.loadedBytes(kernel), 0);
    driver.countLoads(false);
    const held = cache.bytes().total;
    await backend.dispose();
    return { read, held };
  };

  test.each(PLANS)("reads at most a tenth more than the packed cache, %s", async (_name, layer) => {
    const { read, held } = await bytesOf(layer, false);
    expect(read / held).toBeGreaterThan(0.99);
    expect(read / held).toBeLessThan(1.1);
  });

  test.each(PLANS.slice(0, -1))("reads as little on tensor cores, %s", async (_name, layer) => {
    const { read, held } = await bytesOf(layer, true);
    expect(read / held).toBeGreaterThan(0.99);
    expect(read / held).toBeLessThan(1.1);
  });

  test.each([
    [8, 1],
    [16, 2],
  ])("with %i query heads on each KV head reads it %i times: a block takes eight", async (group, times) => {
    const shape = { ...SHAPE, queryHeads: group * SHAPE.kvHeads };
    const { read, held } = await bytesOf(PLANS[0][1], false, shape);
    expect(read / held).toBeGreaterThan(0.99 * times);
    expect(read / held).toBeLessThan(1.1 * times);
  });
});
