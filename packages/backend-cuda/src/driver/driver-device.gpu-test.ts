import { type KvCache, writeSnapshot } from "@kvtuner/backend";
import { type CacheShape, layerScheme } from "@kvtuner/plan";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";
import { syntheticImage } from "../store/synthetic-image.ts";
import { callTensors } from "../test-support/calls.ts";
import { noCompiler } from "../test-support/compile-driver.ts";
import { type CpuDriver, openCpuDriver } from "../test-support/cpu-driver.ts";

const SHAPE: CacheShape = { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 64 };
const PLAN = { shape: SHAPE, layers: [0, 1].map(() => layerScheme("kivi", { key: 4, value: 2 })) };
/** Tokens that fill a new table of pages of codes, and are too many for one of 16-bit pages. */
const RESTORED = 64 * 128;
const GIBIBYTE = 2 ** 30;

const reason = noCompiler();

describe.skipIf(reason)(`a driver on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let driver: CpuDriver;
  let backend: CudaBackend | undefined;

  const create = async (): Promise<CudaBackend> => {
    backend = await createCudaBackend({ driver: driver.path, kernels: "ptx" });
    return backend;
  };
  const filledCache = async (tokens: number): Promise<KvCache> => {
    const cache = await (await create()).createCache(SHAPE, PLAN);
    for (const layer of [0, 1]) await cache.attend(layer, ...callTensors(SHAPE, tokens, layer));
    return cache;
  };
  /** All of it codes, because no tokens are recent. */
  const restoredCache = async (): Promise<KvCache> => {
    const coded = layerScheme("kivi", { key: 4, value: 2 }, { sinks: 0, recent: 0 });
    const plan = { shape: SHAPE, layers: [coded, coded] };
    return (await create()).restoreCache(SHAPE, plan, await writeSnapshot(syntheticImage(plan, RESTORED)));
  };
  const next = (cache: KvCache): Promise<unknown> => cache.attend(0, ...callTensors(SHAPE, 1, 9));

  beforeAll(() => {
    driver = openCpuDriver();
  }, 120_000);
  afterEach(async () => {
    driver.recover();
    driver.setCapacity(4 * GIBIBYTE);
    driver.setCapability(9, 0);
    driver.setDriverVersion(13_000);
    driver.setDevices(1);
    await backend?.dispose();
    backend = undefined;
    expect(driver.allocatedBytes()).toBe(0);
  });

  test.each([
    ["cuInit", 100, "CUDA_NO_DEVICE"],
    ["cuInit", 803, "CUDA_DRIVER_TOO_OLD"],
    ["cuInit", 34, "CUDA_DRIVER_STUB"],
    ["cuInit", 36, "CUDA_DRIVER_TOO_OLD"],
    ["cuInit", 999, "CUDA_DRIVER_FAILED"],
    ["cuInit", 304, "CUDA_DRIVER_FAILED"],
    ["cuInit", 802, "CUDA_DRIVER_FAILED"],
    ["cuDeviceGetCount", 3, "CUDA_DRIVER_FAILED"],
    ["cuDevicePrimaryCtxRetain", 46, "CUDA_DEVICE_BUSY"],
    ["cuDevicePrimaryCtxRetain", 2, "BACKEND_OUT_OF_MEMORY"],
    ["cuModuleLoadData", 222, "CUDA_DRIVER_TOO_OLD"],
    ["cuModuleLoadData", 209, "CUDA_ARCHITECTURE"],
    ["cuModuleLoadData", 200, "CUDA_ARCHITECTURE"],
  ])("that refuses %s with %i is reported as %s, with advice", async (call, result, code) => {
    driver.failNext(call, result);
    await expect(create()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`^[a-z].*; .*${call} gave ${result}`)) as string,
    });
  });

  test("that is too old, has too old a GPU, or has no GPU of that index, fails with its own error", async () => {
    driver.setDriverVersion(11_080);
    await expect(create()).rejects.toMatchObject({ code: "CUDA_DRIVER_TOO_OLD", message: /CUDA 11\.8/ });
    driver.setDriverVersion(13_000);
    driver.setCapability(7, 5);
    await expect(create()).rejects.toMatchObject({ code: "CUDA_ARCHITECTURE", message: /CPU has sm_75/ });
    driver.setCapability(12, 0);
    expect((await create()).device).toMatchObject({ name: "CPU", architecture: "sm_120" });
    await expect(createCudaBackend({ driver: driver.path, device: 1 })).rejects.toMatchObject({
      code: "CUDA_NO_DEVICE",
    });
    await expect(createCudaBackend({ driver: driver.path, kernels: "ptx", maxTokens: -1 })).rejects.toMatchObject({
      code: "BACKEND_LIMIT",
    });
  });

  test("whose memory is full leaves the cache unchanged, and works again once memory is free", async () => {
    const cache = await filledCache(70);
    const before = await cache.snapshot();
    driver.setCapacity(driver.allocatedBytes());
    await expect(cache.attend(0, ...callTensors(SHAPE, 500))).rejects.toMatchObject({
      code: "BACKEND_OUT_OF_MEMORY",
      message:
        /^the memory of CPU, .* is full: a call needs \d+ more bytes, and this backend uses \d+ of \d+ bytes; choose/,
    });
    await expect(
      cache.retune({ shape: SHAPE, layers: PLAN.layers.map(() => layerScheme("kivi", { key: 2, value: 2 })) }),
    ).rejects.toMatchObject({ code: "BACKEND_OUT_OF_MEMORY" });
    driver.setCapacity(4 * GIBIBYTE);
    expect(await cache.snapshot()).toEqual(before);
    await next(cache);
  });

  test("whose memory is full at any point of a call leaves the cache unchanged", async () => {
    const cache = await filledCache(250);
    const [before, bytes] = [await cache.snapshot(), cache.bytes()];
    const heldBytes = driver.allocatedBytes();
    let refused = 0;
    for (let added = 0; added < 2_000_000; added += 20_000) {
      driver.setCapacity(heldBytes + added);
      const call = cache.attend(0, ...callTensors(SHAPE, 300));
      const error = await call.then(
        () => undefined,
        (caught: unknown) => caught,
      );
      driver.setCapacity(4 * GIBIBYTE);
      if (error === undefined) break;
      expect(error).toMatchObject({ code: "BACKEND_OUT_OF_MEMORY" });
      expect(cache.bytes()).toEqual(bytes);
      expect(await cache.snapshot()).toEqual(before);
      refused++;
    }
    expect(refused).toBeGreaterThan(5);
  });

  test("whose memory is full at any point of a truncation leaves all layers of a restored cache as they were", async () => {
    const cache = await restoredCache();
    const [bytes, heldBytes] = [cache.bytes(), driver.allocatedBytes()];
    let refused = 0;
    for (;;) {
      driver.setCapacity(heldBytes + 1024 * refused);
      const error = errorOf(() => cache.truncate(RESTORED - 1));
      if (error === undefined) break;
      expect(error).toMatchObject({ code: "BACKEND_OUT_OF_MEMORY" });
      expect(cache.bytes()).toEqual(bytes);
      refused++;
    }
    expect(refused).toBeGreaterThan(5);
  });

  test("whose memory is full as a table of pages grows still truncates all layers", async () => {
    const cache = await restoredCache();
    const held = RESTORED - 1;
    cache.truncate(held);
    // Leaves idle pages for both layers, and all tables large enough except those of the last layer's codes.
    await cache.attend(0, ...callTensors(SHAPE, 161));
    await cache.attend(1, ...callTensors(SHAPE, 2));
    cache.truncate(held);
    await cache.attend(0, ...callTensors(SHAPE, 33));
    driver.setCapacity(driver.allocatedBytes());
    await expect(cache.attend(1, ...callTensors(SHAPE, 33))).rejects.toMatchObject({
      code: "BACKEND_OUT_OF_MEMORY",
      message: /needs 1024 more bytes/,
    });
    cache.truncate(held - 40);
    expect(cache.length).toBe(held - 40);
  });

  test.each(["cuCtxSetCurrent", "cuMemcpyHtoD_v2", "cuLaunchKernel", "cuMemcpyDtoH_v2", "cuMemAlloc_v2"])(
    "that is lost in %s ends that call and all later ones, and what was on it can be disposed of",
    async (call) => {
      const cache = await filledCache(100);
      const snapshot = await cache.snapshot();
      driver.failNext(call, 719);
      await expect(cache.attend(0, ...callTensors(SHAPE, 300))).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
      await expect(next(cache)).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
      expect(() => cache.truncate(40)).toThrow(expect.objectContaining({ code: "CUDA_DEVICE_LOST" }));
      await expect(backend!.restoreCache(SHAPE, PLAN, snapshot)).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
      await cache.dispose();
    },
  );

  test("gives back all that a cache took when it is disposed of", async () => {
    const cache = await filledCache(300);
    const other = await backend!.createCache(SHAPE, PLAN);
    const restored = await backend!.restoreCache(SHAPE, PLAN, await cache.snapshot());
    const heldBytes = driver.allocatedBytes();
    await restored.dispose();
    await cache.dispose();
    expect(heldBytes - driver.allocatedBytes()).toBeGreaterThan(cacheBytes());
    await other.dispose();
    const staged = driver.allocatedBytes();
    await (await backend!.createCache(SHAPE, PLAN)).dispose();
    expect(driver.allocatedBytes()).toBe(staged);
  });

  test("that is lost during a call says so from then on; an earlier snapshot continues elsewhere", async () => {
    const cache = await filledCache(40);
    const snapshot = await cache.snapshot();
    driver.failNext("cuMemcpyDtoH_v2", 700);
    await expect(next(cache)).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST", message: /go on from a snapshot/ });
    await expect(next(cache)).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
    await expect(cache.snapshot()).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
    await cache.dispose();
    await backend!.dispose();
    driver.recover();
    const restored = await (await create()).restoreCache(SHAPE, PLAN, snapshot);
    await next(restored);
    expect(restored.length).toBe(40);
  });

  test("that refuses a launch says which", async () => {
    const cache = await filledCache(40);
    driver.failNext("cuLaunchKernel", 701);
    await expect(next(cache)).rejects.toMatchObject({ code: "CUDA_LAUNCH_FAILED", message: /append_rows gave 701/ });
    await next(cache);
  });
});

/** Least bytes of two caches of 300 tokens. */
const cacheBytes = (): number => 2 * 2 * 300 * 64 * (0.5 + 0.25);

const errorOf = (call: () => void): unknown => {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
};
