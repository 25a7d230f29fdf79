import { type CachePlan, writeSnapshot } from "@kvtuner/backend";
import { LAWS } from "@kvtuner/backend/test";
import { type Asset, type LayerScheme, layerScheme, PLAIN_TRANSFORM } from "@kvtuner/plan";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createCudaBackend, type CudaBackend } from "./cuda-backend.ts";
import { syntheticImage } from "./store/synthetic-image.ts";
import { type Barrier, barriersOf } from "./test-support/barriers.ts";
import { callTensors } from "./test-support/calls.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { createAffineBackendOnCpu } from "./test-support/cpu-backend.ts";
import { type CpuDriver, openCpuDriver } from "./test-support/cpu-driver.ts";
import { createMistakenKernels } from "./test-support/mistaken-kernels.ts";

/** With this many KV heads the cache is split so rarely that a block reads several tiles. */
const SHAPE = { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 64 };

/** Five tiles for two blocks; the next token completes a block of keys per channel. */
const LENGTH = 639;

/** Within the codes, so that some tokens must be decoded. */
const SHORTER = 590;

const TURNS: Asset = {
  name: "turns",
  dtype: "float32",
  shape: [32],
  data: Float32Array.from({ length: 32 }, (_, pair) => 10_000 ** (-pair / 32)),
};

/** Keys that are stored before RoPE and come from a matrix. */
const TRANSFORM: LayerScheme = {
  key: {
    ...PLAIN_TRANSFORM,
    bits: 3,
    rotation: "hadamard",
    gain: "log4",
    stage: "before-rope",
    frequencies: "turns",
    pairing: "neighbours",
  },
  value: layerScheme("per-token", { key: 4, value: 2 }).value,
  residency: { kind: "prefix", sinks: 2, recent: 30 },
};

const planOf = (layer: LayerScheme): CachePlan => ({ shape: SHAPE, layers: [layer] });

/**
 * Keys per channel, keys per token, and transformed rows. Where barriers follow each other, one hides that another is
 * missing.
 */
const CASES = [
  layerScheme("kivi", { key: 4, value: 2 }),
  layerScheme("per-token", { key: 4, value: 8 }),
  layerScheme("compact", { key: 4, value: 3 }),
]
  .flatMap((layer) => [true, false].map((tensorCores) => ({ plan: planOf(layer), tensorCores })))
  .concat({ plan: { ...planOf(TRANSFORM), assets: [TURNS] }, tensorCores: false });
type Case = (typeof CASES)[number];

/** Whether warps run from last to first. */
const ORDERS = [false, true];

const reason = noCompiler();

describe.skipIf(reason)(`barriers of kernels on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let driver: CpuDriver;
  const backends = new Map<boolean, CudaBackend>();
  const snapshots = new Map<Case, Uint8Array>();
  const right = new Map<Case, string>();

  beforeAll(async () => {
    driver = openCpuDriver();
    await openBackends();
    for (const one of CASES) {
      snapshots.set(one, await writeSnapshot(syntheticImage(one.plan, LENGTH)));
      right.set(one, await outcome(one));
    }
  }, 300_000);
  afterEach(() => {
    driver.reverseWarps(false);
  });
  afterAll(async () => {
    for (const backend of backends.values()) await backend.dispose();
  });

  /** Also after a fault, which ends a device. */
  const openBackends = async (): Promise<void> => {
    driver.recover();
    for (const tensorCores of [true, false])
      backends.set(tensorCores, await createCudaBackend({ driver: driver.path, kernels: "ptx", tensorCores }));
  };

  /** Everything that kernels with barriers write for a token and a truncation, or the fault that ended them. */
  const outcome = async (one: Case, missing?: Barrier): Promise<string> => {
    const cache = await backends.get(one.tensorCores)!.restoreCache(SHAPE, one.plan, snapshots.get(one)!);
    if (missing) driver.skipBarrier(...missing);
    try {
      const { data } = await cache.attend(0, ...callTensors(SHAPE, 1));
      const encoded = await cache.snapshot();
      cache.truncate(SHORTER);
      const parts = [(data as Float32Array).buffer, encoded, await cache.snapshot()];
      await cache.dispose();
      return parts.map((part) => Buffer.from(part as Uint8Array).toString("base64")).join();
    } catch {
      const fault = driver.lastFault();
      await openBackends();
      return fault;
    } finally {
      driver.skipBarrier("", 0);
    }
  };

  const isRight = async (one: Case, isReversed: boolean, missing?: Barrier): Promise<boolean> => {
    driver.reverseWarps(isReversed);
    return (await outcome(one, missing)) === right.get(one);
  };

  test("let warps run in either order", async () => {
    expect(new Set(right.values()).size).toBe(CASES.length);
    for (const one of CASES) expect(await isRight(one, true)).toBe(true);
  });

  test.each(["modes", "recent"] as const)("keep the law of %s when the last warp runs first", async (law) => {
    driver.reverseWarps(true);
    const options = { name: "cuda", tolerance: 5e-4, createBackend: createAffineBackendOnCpu };
    await expect(LAWS[law].check(options)).resolves.toBeUndefined();
  });

  test.each(barriersOf())("are all needed: without %s:%i other numbers come out, or none", async (...barrier) => {
    let isMissed = false;
    const isOfTransform = barrier[0] === "transform.cu";
    const cases = CASES.filter(({ plan }) => isOfTransform === (plan.assets !== undefined));
    for (const one of cases) for (const order of ORDERS) isMissed ||= !(await isRight(one, order, barrier));
    expect(isMissed).toBe(true);
  });

  test("are counted: the kernels have so many", () => {
    expect(barriersOf()).toHaveLength(20);
  });
});

describe.skipIf(reason)(`mistakes of kernels on the CPU${reason ? ` (${reason})` : ""}`, () => {
  const mistakes = createMistakenKernels();
  afterAll(() => {
    mistakes.remove();
  });

  /** The fault of a prompt whose rows do not fill its last append block. */
  const faultOf = async (file: string, good: string, wrong: string): Promise<string> => {
    const driver = openCpuDriver(mistakes.make(file, good, wrong));
    const backend = await createCudaBackend({ driver: driver.path, kernels: "ptx" });
    const cache = await backend.createCache(SHAPE, CASES[0]!.plan);
    await expect(cache.attend(0, ...callTensors(SHAPE, 33))).rejects.toMatchObject({ code: "CUDA_DEVICE_LOST" });
    await backend.dispose();
    return driver.lastFault();
  };

  test("a barrier that not all threads reach is told by kernel and line", async () => {
    const good = "  if (lane == 0) {\n      const float correction";
    const fault = await faultOf("attention-weights.cuh", good, good.replace("{\n", "{\n      __syncthreads();\n"));
    expect(fault).toMatch(/^attend_8_rows: divergent barrier: .* waits at line \d+/);
  });

  test("a read beyond what was allocated is told by kernel", async () => {
    const fault = await faultOf("encode.cu", "if (index >= args.tokens * tensor.kvHeads * octets) return;", "");
    expect(fault).toMatch(/^append_rows: read of memory that was not allocated/);
  });
});
