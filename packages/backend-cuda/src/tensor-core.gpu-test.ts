import { LAWS } from "@kvtuner/backend/test";
import { type LayerScheme, layerScheme } from "@kvtuner/plan";
import { afterAll, describe, expect, test } from "vitest";
import { createCudaBackend, type CudaBackend } from "./cuda-backend.ts";
import { callTensors } from "./test-support/calls.ts";
import { compileDriver, noCompiler } from "./test-support/compile-driver.ts";
import { createTensorCoreBackendOnCpu } from "./test-support/cpu-backend.ts";
import { openCpuDriver } from "./test-support/cpu-driver.ts";
import { createMistakenKernels } from "./test-support/mistaken-kernels.ts";

const SHAPE = { layers: 1, queryHeads: 8, kvHeads: 2, headSize: 128 };
const planOf = (key: 2 | 4 | 8 | 16, value: 2 | 4 | 16) => ({
  shape: SHAPE,
  layers: [layerScheme("kivi", { key, value })],
});

const ON_TENSOR_CORES = "attend_8_rows_on_tensor_cores";

const mistakes = createMistakenKernels();

const create = (path: string, tensorCores = true): Promise<CudaBackend> =>
  createCudaBackend({ driver: path, kernels: "ptx", tensorCores });

const reason = noCompiler();

describe.skipIf(reason)(`tensor cores on the CPU${reason ? ` (${reason})` : ""}`, () => {
  afterAll(() => {
    mistakes.remove();
  });

  test.each([
    ["where they are asked for", true, planOf(4, 2), 1],
    ["not where they are not", false, planOf(4, 2), 0],
    ["not where keys are in 16 bits", true, planOf(16, 2), 0],
    ["not where values are", true, planOf(4, 16), 0],
  ])("take the tokens that are in codes, %s", async (_where, tensorCores, plan, launches) => {
    const driver = openCpuDriver();
    const backend = await create(driver.path, tensorCores);
    const cache = await backend.createCache(SHAPE, plan);
    await cache.attend(0, ...callTensors(SHAPE, 80));
    driver.takeLaunches(ON_TENSOR_CORES);
    driver.takeLaunches("attend_4_rows");
    driver.takeLaunches("attend_8_rows");
    await cache.attend(0, ...callTensors(SHAPE, 1));
    expect(driver.takeLaunches(ON_TENSOR_CORES)).toBe(launches);
    expect(driver.takeLaunches("attend_4_rows") + driver.takeLaunches("attend_8_rows")).toBe(1);
    await backend.dispose();
  });

  test("with one query head for each KV head are for prompts alone", async () => {
    const driver = openCpuDriver();
    const backend = await create(driver.path);
    const shape = { ...SHAPE, queryHeads: 2 };
    const cache = await backend.createCache(shape, { ...planOf(4, 2), shape });
    driver.takeLaunches(ON_TENSOR_CORES);
    await cache.attend(0, ...callTensors(shape, 80));
    expect(driver.takeLaunches(ON_TENSOR_CORES)).toBe(1);
    await cache.attend(0, ...callTensors(shape, 1));
    expect(driver.takeLaunches(ON_TENSOR_CORES)).toBe(0);
    await backend.dispose();
  });

  // Each simulates a GPU whose lanes hold other elements of the matrices, or a kernel that assumes so.
  test.each([
    [
      "tensor-core-scores.cuh",
      "lane % QUAD_LANES * 2 + column;\n          Parameters",
      "lane % QUAD_LANES + 4 * column;\n          Parameters",
    ],
    ["fixed-point.cuh", "sums[2 + column]", "sums[1 - column]"],
    ["tensor-core-values.cuh", "tokenPair<BITS>(codes[2], codes[3]", "tokenPair<BITS>(codes[3], codes[2]"],
  ])("that are wrong are refused before a cache has them (%s)", async (...mistake) => {
    const driver = openCpuDriver(mistakes.make(...mistake));
    const backend = await create(driver.path);
    const plan = { shape: SHAPE, layers: [layerScheme("per-token", { key: 4, value: 4 })] };
    await expect(backend.createCache(SHAPE, plan)).rejects.toMatchObject({
      code: "CUDA_TENSOR_CORES_WRONG",
      message: expect.stringMatching(
        /^expected .* on CPU \(sm_90\) .*head size 128.*; create the backend without tensorCores/,
      ) as string,
    });
    await backend.dispose();
    expect(driver.allocatedBytes()).toBe(0);
    const plain = await create(driver.path, false);
    await (await plain.createCache(SHAPE, plan)).attend(0, ...callTensors(SHAPE, 40));
    await plain.dispose();
  });

  test("that are wrong for a coarser plan leave the cache under its own", async () => {
    const right = "if constexpr (BITS == 2) return fractionPair<2>(low, 2 * pair);";
    const driver = openCpuDriver(mistakes.make("tensor-core-scores.cuh", right, right.replace("2 * pair", "pair")));
    const backend = await create(driver.path);
    const cache = await backend.createCache(SHAPE, planOf(4, 2));
    await cache.attend(0, ...callTensors(SHAPE, 80));
    const before = await cache.snapshot();
    await expect(cache.retune(planOf(2, 2))).rejects.toMatchObject({ code: "CUDA_TENSOR_CORES_WRONG" });
    expect(await cache.snapshot()).toEqual(before);
    await cache.attend(0, ...callTensors(SHAPE, 1));
    await backend.dispose();
  });

  test("hold a plan against float32 once", async () => {
    const driver = openCpuDriver();
    const backend = await create(driver.path);
    driver.takeLaunches(ON_TENSOR_CORES);
    await backend.createCache(SHAPE, planOf(8, 4));
    await backend.createCache(SHAPE, planOf(8, 4));
    expect(driver.takeLaunches(ON_TENSOR_CORES)).toBe(1);
    await backend.dispose();
  });

  test("give the same to the last bit whatever they keep of a sum beyond 24 bits, and not when they keep less", async () => {
    const outputOf = async (keptBits: number, layer: LayerScheme): Promise<Float32Array> => {
      const backend = await create(compileDriver(undefined, [`KVTUNER_KEPT_BITS=${keptBits}`]));
      const cache = await backend.createCache(SHAPE, { shape: SHAPE, layers: [layer] });
      await cache.attend(0, ...callTensors(SHAPE, 200));
      const { data } = await cache.attend(0, ...callTensors(SHAPE, 1, 7));
      await backend.dispose();
      return data as Float32Array;
    };
    const [largest, ...others] = [
      layerScheme("per-token", { key: 8, value: 8 }),
      layerScheme("kivi", { key: 4, value: 2 }),
      layerScheme("compact", { key: 3, value: 4 }),
    ] as const;
    for (const layer of [largest, ...others]) expect(await outputOf(24, layer)).toEqual(await outputOf(40, layer));
    expect(await outputOf(20, largest)).not.toEqual(await outputOf(40, largest));
  });

  /** Only attention differs from the float32 kernels; laws about storage test the same code. */
  test.each([
    "attention",
    "schemes",
    "modes",
    "head-sizes",
    "value-size",
    "head-groups",
    "far-out",
    "constant-groups",
    "recent",
    "prefill",
  ] as const)("keep the law of %s", async (law) => {
    const options = { name: "cuda on tensor cores", tolerance: 5e-4, createBackend: createTensorCoreBackendOnCpu };
    await expect(LAWS[law].check(options)).resolves.toBeUndefined();
  });
});
