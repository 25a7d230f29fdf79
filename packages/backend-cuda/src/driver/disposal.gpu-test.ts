import { layerScheme } from "@kvtuner/plan";
import { beforeAll, describe, expect, test } from "vitest";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";
import { openDevice } from "../open-device.ts";
import { callTensors } from "../test-support/calls.ts";
import { noCompiler } from "../test-support/compile-driver.ts";
import { type CpuDriver, openCpuDriver } from "../test-support/cpu-driver.ts";

const SHAPE = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 64 };
const PLAN = { shape: SHAPE, layers: [layerScheme("kivi", { key: 4, value: 2 })] };
const COARSER = { shape: SHAPE, layers: [layerScheme("kivi", { key: 2, value: 2 })] };
const DISPOSED = { code: "BACKEND_DISPOSED" };

const reason = noCompiler();

/** A driver call with freed memory would crash the process, or corrupt it unnoticed. */
describe.skipIf(reason)(`after dispose(), on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let driver: CpuDriver;
  const create = (): Promise<CudaBackend> => createCudaBackend({ driver: driver.path, kernels: "ptx" });

  beforeAll(() => {
    driver = openCpuDriver();
  }, 120_000);

  test("a device takes no call, and frees without an error", async () => {
    const { device } = await openDevice({ driver: driver.path, kernels: "ptx" });
    const memory = device.allocate(256);
    device.dispose();
    const argumentBytes = new Uint8Array(8);
    const launch = { kernel: "append_rows", grid: [1, 1, 1], threads: 32, sharedBytes: 0, argumentBytes } as const;
    expect(() => device.allocate(256)).toThrow(expect.objectContaining(DISPOSED));
    expect(() => device.upload(memory.address, argumentBytes)).toThrow(expect.objectContaining(DISPOSED));
    expect(() => device.download(memory.address, argumentBytes)).toThrow(expect.objectContaining(DISPOSED));
    expect(() => device.launch(launch)).toThrow(expect.objectContaining(DISPOSED));
    device.free(memory);
    device.dispose();
    expect(driver.allocatedBytes()).toBe(0);
  });

  test("a cache that was being restored is refused", async () => {
    const backend = await create();
    const cache = await backend.createCache(SHAPE, PLAN);
    await cache.attend(0, ...callTensors(SHAPE, 300));
    const restored = backend.restoreCache(SHAPE, PLAN, await cache.snapshot());
    driver.takeCalls("cuLaunchKernel");
    await backend.dispose();
    await expect(restored).rejects.toMatchObject(DISPOSED);
    expect(driver.takeCalls("cuLaunchKernel")).toBe(0);
    expect(driver.allocatedBytes()).toBe(0);
  });

  test("calls that were made before, and not waited for, end well or are refused", async () => {
    const backend = await create();
    const cache = await backend.createCache(SHAPE, PLAN);
    await cache.attend(0, ...callTensors(SHAPE, 300));
    const calls = [
      backend.createCache(SHAPE, PLAN),
      cache.attend(0, ...callTensors(SHAPE, 1)),
      cache.snapshot(),
      cache.retune(COARSER),
    ];
    const outcomes = calls.map((call) =>
      (call as Promise<unknown>).then(
        () => "ended",
        (error: unknown) => (error as { readonly code: string }).code,
      ),
    );
    await backend.dispose();
    for (const outcome of await Promise.all(outcomes)) expect(["ended", DISPOSED.code]).toContain(outcome);
    await cache.dispose();
    expect(driver.allocatedBytes()).toBe(0);
  });
});
