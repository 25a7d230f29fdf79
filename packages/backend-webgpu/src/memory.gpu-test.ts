import type { KvCache } from "@kvtuner/backend";
import { layerScheme } from "@kvtuner/plan";
import { afterAll, describe, expect, it } from "vitest";
import { STORAGE } from "./device/usage.ts";
import { alteredDevice } from "./test-support/altered-device.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { cpuCall, deviceCall } from "./test-support/rows.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const shape = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 32 };
const plan = { shape, layers: [layerScheme("kivi", { key: 4, value: 4 })] };
const coarser = { shape, layers: [layerScheme("kivi", { key: 2, value: 2 })] };
const FULL = { code: "BACKEND_OUT_OF_MEMORY" };

/** Tokens of a layer's first block. */
const FIRST_BLOCK = 1024;

const { device, skipped: noDevice } = await testDevice(["maxBufferSize"]);

/** True when the driver refuses the largest buffer, as lavapipe does: like a GPU without free memory. */
const refusesLargest = async (whole: GPUDevice): Promise<boolean> => {
  whole.pushErrorScope("out-of-memory");
  whole.createBuffer({ size: whole.limits.maxBufferSize, usage: STORAGE }).destroy();
  return (await whole.popErrorScope()) !== null;
};

const skipped = noDevice ?? ((await refusesLargest(device!)) ? undefined : "the driver can allocate any buffer");

/** Buffers granted before one that exceeds the driver's memory. */
let granted = Infinity;

const crowded =
  device &&
  alteredDevice(device, {
    createBuffer: (description: GPUBufferDescriptor) =>
      device.createBuffer(granted-- > 0 ? description : { ...description, size: device.limits.maxBufferSize }),
  });

/** Collects errors outside of all error scopes. */
const uncaught: string[] = [];
device?.addEventListener("uncapturederror", ({ error }) => uncaught.push(error.message));

describe.skipIf(skipped)(`a device without free memory${skipped ? ` (${skipped})` : ""}`, async () => {
  const backend = await createWebGpuBackend({ device: crowded!, kernels: {} });

  afterAll(async () => {
    await backend.dispose();
    expect(uncaught).toEqual([]);
  });

  /**
   * Runs `call` again and again, refusing its first buffer, then its second, and so on until it succeeds. Returns the
   * number of refusals.
   */
  const refusingEach = async <Result>(
    call: () => Promise<Result>,
    unchanged: () => Promise<void>,
  ): Promise<[number, Result]> => {
    for (let refused = 0; ; refused++) {
      granted = refused;
      const outcome = await call().then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
      const isRefused = granted < 0;
      granted = Infinity;
      if ("result" in outcome) {
        expect(isRefused).toBe(false);
        return [refused, outcome.result];
      }
      expect(outcome.error).toMatchObject(FULL);
      await unchanged();
    }
  };

  const isAs = async (cache: KvCache, snapshot: Uint8Array): Promise<void> =>
    expect(await cache.snapshot()).toEqual(snapshot);

  it("rejects a cache, and creates one once memory is free", async () => {
    const [refused, cache] = await refusingEach(
      () => backend.createCache(shape, plan),
      async () => {},
    );
    expect(refused).toBeGreaterThan(2);
    await cache.dispose();
  });

  it.each(["on the CPU", "on the device"])(
    "leaves a cache as it was when tokens %s find none, and goes on later",
    async (place) => {
      const [cache, twin] = [await backend.createCache(shape, plan), await backend.createCache(shape, plan)];
      const refusedAt = async (tokens: number): Promise<number> => {
        const call = cpuCall(shape, tokens, 2);
        const tensors = place === "on the CPU" ? call : deviceCall(device!, call);
        const snapshot = await cache.snapshot();
        const [refused, output] = await refusingEach(
          () => cache.attend(0, ...tensors),
          () => isAs(cache, snapshot),
        );
        expect(await output.getData()).toEqual((await twin.attend(0, ...call)).data);
        await isAs(cache, await twin.snapshot());
        output.dispose();
        return refused;
      };
      expect(await refusedAt(FIRST_BLOCK - 10)).toBeGreaterThan(1);
      await refusedAt(5);
      expect(await refusedAt(5)).toBe(0);
      // Keys, then values.
      expect(await refusedAt(5)).toBe(2);
      await cache.dispose();
      await twin.dispose();
    },
  );

  it("leaves a cache as it was when a coarser plan, or a snapshot, finds none", async () => {
    const cache = await backend.createCache(shape, plan);
    await cache.attend(0, ...cpuCall(shape, 100, 1));
    const snapshot = await cache.snapshot();
    const [restoring, restored] = await refusingEach(
      () => backend.restoreCache(shape, plan, snapshot),
      () => isAs(cache, snapshot),
    );
    expect(restoring).toBeGreaterThan(2);
    await isAs(restored, snapshot);
    const [retuning] = await refusingEach(
      () => cache.retune(coarser),
      () => isAs(cache, snapshot),
    );
    expect(retuning).toBeGreaterThan(2);
    expect((await cache.attend(0, ...cpuCall(shape, 1, 2))).dims).toEqual([1, 1, 64]);
    await cache.dispose();
    await restored.dispose();
  });

  it("refuses more recent tokens than a kernel sees rows, which it would read as zeros", async () => {
    const { maxStorageBufferBindingSize } = device!.limits;
    const wide = {
      shape,
      layers: [layerScheme("kivi", { key: 4, value: 4 }, { recent: maxStorageBufferBindingSize / 64 })],
    };
    await expect(backend.createCache(shape, wide)).rejects.toMatchObject({
      ...FULL,
      limitBytes: maxStorageBufferBindingSize,
      message: expect.stringMatching(
        /expected at most \d+ bytes in a binding of the GPU.* \d+ recent tokens, .*smaller/,
      ),
    });
  });

  it("keeps every token exact when a plan has more recent tokens than the cache holds", async () => {
    const small = await createWebGpuBackend({ device: device!, kernels: {}, maxTokens: 100 });
    const wide = { shape, layers: [layerScheme("kivi", { key: 4, value: 4 }, { recent: 2 ** 40 })] };
    const cache = await small.createCache(shape, wide);
    expect((await cache.attend(0, ...cpuCall(shape, 100, 1))).dims).toEqual([1, 100, 64]);
    await small.dispose();
  });
});
