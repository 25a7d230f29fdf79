import { spawnSync } from "node:child_process";
import { fc, test } from "@fast-check/vitest";
import type { Backend } from "@kvtuner/backend";
import { type CacheShape, parseShorthand, uniformPlan } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { afterEach, expect, vi } from "vitest";
import { createArena } from "../arena.ts";
import { createCpuBackend } from "../cpu-backend.ts";
import { createEngine } from "../create-engine.ts";
import {
  anyCase,
  type AttentionCase,
  normals,
  randomRows,
  relativeDifference,
} from "../test-support/attention-cases.ts";
import { createEagerBackend } from "../test-support/eager-backend.ts";
import { Mailbox } from "./mailbox.ts";
import { mostRowsPerTask, mostStates, splitChunk, splitLimits } from "./split.ts";

const alone = await createCpuBackend();
const two = await createEagerBackend(2);
const three = await createEagerBackend(3);

/** Outputs of the calls of a case, and the cache's final contents. */
const play = async (
  backend: Backend,
  { shape, layer, calls, scale, seed }: AttentionCase,
): Promise<{ readonly outputs: readonly Tensor[]; readonly snapshot: Uint8Array }> => {
  const cache = await backend.createCache(shape, uniformPlan({ name: "test", architecture: "test" }, shape, layer));
  const next = normals(seed);
  const outputs: Tensor[] = [];
  for (const tokens of calls) {
    outputs.push(await cache.attend(0, ...randomRows(next, tokens, shape, scale)));
  }
  const snapshot = await cache.snapshot();
  await cache.dispose();
  return { outputs, snapshot };
};

/** One weight that is rounded up instead of down. */
const CLOSE = 1e-5;

const expectClose = async (backend: Backend, some: AttentionCase, tolerance: number): Promise<void> => {
  const expected = await play(alone, some);
  const got = await play(backend, some);
  for (const [index, output] of expected.outputs.entries())
    expect(relativeDifference(got.outputs[index]!, output)).toBeLessThanOrEqual(tolerance);
  expect(got.snapshot).toEqual(expected.snapshot);
};

// Scores so close that no tile is negligible; threads, which see only part of the tiles, could decide that differently.
test.prop([anyCase.map((some) => ({ ...some, scale: 0.5, calls: [...some.calls, 1] }))], { numRuns: 6 })(
  "two and three threads give the result of one",
  async (some) => {
    for (const backend of [two, three]) await expectClose(backend, some, CLOSE);
  },
);

const smallModel: CacheShape = { layers: 1, queryHeads: 9, kvHeads: 3, headSize: 64 };
const layerOf = (mode: string): AttentionCase["layer"] => parseShorthand(mode).layer;

test("long contexts, shared out as by default", async () => {
  const backend = await createCpuBackend({ threads: 2 });
  const some = { shape: smallModel, layer: layerOf("per-token:K4V4"), scale: 0.5, seed: 5 };
  await expectClose(backend, { ...some, calls: [192, 128] }, 0);
  await expectClose(backend, { ...some, calls: [1920, 1, 2] }, CLOSE);
  await backend.dispose();
});

test("threads too skip negligible tiles when only a few are not", async () => {
  const some = { shape: smallModel, layer: layerOf("per-token:K8V8"), scale: 12, calls: [640, 1, 1], seed: 7 };
  await expectClose(two, some, 1e-4);
});

test.prop([
  fc.record({ kvHeads: fc.integer({ min: 1, max: 300 }), ratio: fc.integer({ min: 1, max: 8 }) }),
  fc.record({
    rows: fc.integer({ min: 1, max: 64 }),
    more: fc.integer({ min: 0, max: 2 ** 18 }),
    sinks: fc.constantFrom(0, 4, 200),
    threads: fc.integer({ min: 2, max: 32 }),
    eager: fc.boolean(),
  }),
])("a chunk is shared out within the limits", ({ kvHeads, ratio }, { rows, more, sinks, threads, eager }) => {
  const shape = { layers: 1, queryHeads: kvHeads * ratio, kvHeads, headSize: 64 };
  const limits = eager ? { threads, leastWork: 0, leastTiles: 1 } : splitLimits(threads);
  const split = splitChunk(shape, sinks, rows + more, rows, limits);
  if (split.by === "rows") {
    expect(split.rowsPerTask).toBeLessThanOrEqual(mostRowsPerTask(shape, limits));
    expect(kvHeads * Math.ceil(rows / split.rowsPerTask)).toBeLessThan(1024);
  }
  if (split.by === "tiles") {
    const tasks = kvHeads * split.tasksPerHead;
    expect(tasks).toBeLessThan(1024);
    expect(rows * (kvHeads + tasks)).toBeLessThanOrEqual(mostStates(limits));
    expect(128 * split.tilesPerTask * split.tasksPerHead).toBeGreaterThanOrEqual(rows + more - sinks);
  }
});

/** Keeps the caller busy, so that the worker finds a task left. */
const sleep = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test("a failed task is an error of its job, not of the next", async () => {
  const engine = await createEngine(2);
  const arena = await createArena(engine);
  await engine.pool!.add([arena]);
  const nowhere = [-16, 0, 0, 1, 0, 0];
  const job = { arenaId: arena.id, kernel: "attend", scratch: 0, scratchStep: 0 } as const;
  const failing = { ...job, tasks: Array.from({ length: 200 }, () => nowhere) };
  expect(() => engine.pool!.run(failing, () => sleep(50))).toThrow(
    expect.objectContaining({ code: "BACKEND_THREAD_FAILED", message: expect.stringContaining("out of bounds") }),
  );
  const own = new Error("the caller's own");
  const throwing = (): never => {
    throw own;
  };
  expect(() => engine.pool!.run({ ...job, arenaId: 0, tasks: [nowhere, nowhere] }, throwing)).toThrow(own);
  let done = 0;
  engine.pool!.run({ ...job, arenaId: 0, tasks: [nowhere, nowhere] }, () => void done++);
  expect(done).toBe(2);
  await engine.pool!.end();
});

test("a worker that ended is an error", async () => {
  let death: unknown;
  const mailbox = new Mailbox("process.exit(3)", (cause) => void (death = cause));
  await expect(mailbox.send({})).rejects.toThrow("code 3");
  await expect(mailbox.send({})).rejects.toThrow("code 3");
  expect(death).toBeInstanceOf(Error);
  await mailbox.end();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

test("invalid and impossible numbers of threads are rejected", async () => {
  for (const threads of [0, -1, 1.5, Number.NaN])
    await expect(createCpuBackend({ threads })).rejects.toMatchObject({ code: "BACKEND_THREADS" });
  vi.stubGlobal("SharedArrayBuffer", undefined);
  await expect(createCpuBackend({ threads: 2 })).rejects.toMatchObject({
    code: "BACKEND_THREADS",
    message: expect.stringContaining("cross-origin isolated"),
  });
  await (await createCpuBackend({ threads: 1 })).dispose();
});

const loader = new URL("../../../../../tools/typescript-loader.mjs", import.meta.url).href;

/** Standard output of a program, which may import from `WASM/` and runs for two minutes at most. */
const runProgram = (source: string): string => {
  const options = ["--conditions=@kvtuner/source", "--import", loader, "--expose-gc", "--input-type=module"];
  const program = source.replaceAll("WASM/", new URL("../", import.meta.url).href);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, "-e", program], {
    cwd: new URL("../../../", import.meta.url),
    encoding: "utf8",
    timeout: 120_000,
  });
  expect(`${status} ${stderr}`).toBe("0 ");
  return stdout;
};

test("a program that disposes of nothing still ends", () => {
  const output = runProgram(`
    import { createTwoThreads } from "WASM/test-support/eager-backend.ts";
    import { parseShorthand, uniformPlan } from "@kvtuner/plan";
    import { Tensor } from "onnxruntime-common";
    const backend = await createTwoThreads();
    const shape = { layers: 1, queryHeads: 2, kvHeads: 2, headSize: 16 };
    const plan = uniformPlan({ name: "test", architecture: "test" }, shape, parseShorthand("per-token:K4V4").layer);
    const cache = await backend.createCache(shape, plan);
    const rows = () => new Tensor("float32", new Float32Array(300 * 32).fill(0.5), [1, 300, 32]);
    const output = await cache.attend(0, rows(), rows(), rows());
    console.log(output.data.every((x) => Math.abs(x - 0.5) < 1e-3));
  `);
  expect(output).toBe("true\n");
});

test("released memories are freed", () => {
  const grownMiB = Number(
    runProgram(`
    import { createArena } from "WASM/arena.ts";
    import { createEngine } from "WASM/create-engine.ts";
    const engine = await createEngine(2);
    const MIB = 2 ** 20;
    const round = async () => {
      const arena = await createArena(engine);
      const address = arena.allocate(40 * MIB);
      arena.bytes.fill(1, address, address + 40 * MIB);
      await engine.pool.add([arena]);
      await engine.pool.remove([arena]);
    };
    await round();
    gc();
    const before = process.memoryUsage().rss;
    for (let index = 0; index < 12; index++) await round();
    // What one collection finds is freed beside the program, which the next one waits for.
    for (let times = 0; times < 5; times++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      gc();
    }
    console.log((process.memoryUsage().rss - before) / MIB);
  `),
  );
  expect(grownMiB).toBeLessThan(200);
});
