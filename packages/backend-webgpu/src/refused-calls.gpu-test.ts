import type { KvCache } from "@kvtuner/backend";
import { layerScheme, planBytes } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { cpuCall, deviceCall } from "./test-support/rows.ts";
import { createWebGpuBackend, type WebGpuBackend } from "./webgpu-backend.ts";

const shape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };
const plan = {
  shape,
  layers: [layerScheme("kivi", { key: 4, value: 2 }, { sinks: 2 }), layerScheme("compact", { key: 4, value: 3 })],
};
const oneLayer = { shape: { ...shape, layers: 1 }, layers: plan.layers.slice(0, 1) };

const { device, skipped } = await testDevice();

const attend = async (to: KvCache, tokens: number, seed: number) =>
  to.attend(0, ...deviceCall(device!, cpuCall(shape, tokens, seed)));

/** A call that the device rejects after it returns. */
const attendDestroyed = async (to: KvCache, tokens: number, owner = device!): Promise<void> => {
  const [query, key, value] = deviceCall(owner, cpuCall(shape, tokens, 1));
  if (owner === device) key.gpuBuffer.destroy();
  await to.attend(0, query, key, value);
};

const expectSame = async (cache: KvCache, twin: KvCache): Promise<void> => {
  const [expected, output] = [await attend(twin, 1, 3), await attend(cache, 1, 3)];
  expect(await output.getData()).toEqual(await expected.getData());
  expect(cache.bytes()).toEqual(twin.bytes());
};

describe.skipIf(skipped)(`calls that the device refuses${skipped ? ` (${skipped})` : ""}`, () => {
  const caches = async (): Promise<[WebGpuBackend, KvCache, KvCache]> => {
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
    const create = () => backend.createCache(oneLayer.shape, oneLayer);
    return [backend, await create(), await create()];
  };
  const refusal = { code: "BACKEND_TENSOR_BUFFER" };

  it.each(["destroyed", "another device's"])("for buffers are %s, are as if they had not been", async (kind) => {
    const [backend, cache, twin] = await caches();
    for (const one of [cache, twin]) await attend(one, 70, 0);
    await attendDestroyed(cache, 200, kind === "destroyed" ? device! : (await testDevice()).device!);
    await expect(attend(cache, 70, 2)).rejects.toMatchObject(refusal);
    await expectSame(cache, twin);
    await backend.dispose();
  });

  it.each([
    ["at once", 150, 150],
    ["at once, further back", 101, 101],
    ["once it is known", 150, 150],
    ["twice, the second time further", 160, 101],
  ])("can be taken back %s", async (when, first, length) => {
    const [backend, cache, twin] = await caches();
    for (const one of [cache, twin]) await attend(one, 150, 0);
    await attendDestroyed(cache, 200);
    if (when === "once it is known") await device!.queue.onSubmittedWorkDone();
    cache.truncate(first);
    cache.truncate(length);
    expect(cache.length).toBe(length);
    await expect(attend(cache, 1, 2)).rejects.toMatchObject(refusal);
    if (length < 150) twin.truncate(length);
    await expectSame(cache, twin);
    await backend.dispose();
  });

  it("are not counted", async () => {
    const maxCacheBytes = planBytes(oneLayer, 500).total;
    const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN, maxCacheBytes });
    const cache = await backend.createCache(oneLayer.shape, oneLayer);
    await attend(cache, 10, 0);
    for (let round = 0; round < 3; round++) {
      await attendDestroyed(cache, 480);
      await expect(attend(cache, 400, 2)).rejects.toMatchObject(refusal);
    }
    await attend(cache, 480, 3);
    expect(cache.length).toBe(490);
    await backend.dispose();
  });

  it("cannot be told by a truncation that follows one that is taken", async () => {
    const [backend, cache, twin] = await caches();
    for (const one of [cache, twin]) await attend(one, 300, 0);
    await device!.queue.onSubmittedWorkDone();
    twin.truncate(101);
    await attend(cache, 40, 5);
    cache.truncate(300);
    cache.truncate(101);
    expect(cache.bytes()).toEqual(twin.bytes());
    await expectSame(cache, twin);
    await backend.dispose();
  });
});
