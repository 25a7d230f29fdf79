import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { syntheticSnapshot } from "@kvtuner/evaluation/bench";
import { layerScheme, layerShapes, parseShorthand, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, test } from "vitest";
import { bench as benchWith, type BenchResult } from "../src/bench.ts";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const { folder, model } = cli;
const shape = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 32 };

const SMALL = ["--context", "70,33", "--rounds", "2", "--tokens", "3", "--backend", "cpu-reference"];

const SYNTHETIC = ["--plan", "compact:K4V3", "--no-float", "--fill", "synthetic", "--backend", "cpu"];

/** What `--threads 2` is, also on a machine with one core. */
const TWO = Math.min(2, availableParallelism());

const bench = async (...argv: string[]): Promise<Finished> => cli.start(["bench", model, ...SMALL, ...argv]).finished;

const benchJson = async (...argv: string[]): Promise<BenchResult> => {
  const finished = await bench("--json", "--quiet", ...argv);
  expect(finished).toMatchObject({ code: 0 });
  return JSON.parse(finished.stdout) as BenchResult;
};

describe("kvtuner bench", () => {
  test("times plans and the float cache at each context, ascending", async () => {
    const result = await benchJson("--plan", "kivi:K4V4,none", "--threads", "2");
    expect(result).toMatchObject({ backend: "cpu-reference", weights: "compact", threads: TWO, fill: "text" });
    expect(result).not.toHaveProperty("kernels");
    expect(result.contexts.map(({ context }) => context)).toEqual([33, 70]);
    for (const { context, variants } of result.contexts) {
      const kivi = Array.from({ length: 3 }, () => layerScheme("kivi", { key: 4, value: 4 }));
      expect(variants.map(({ name, threads, cacheBytes }) => ({ name, threads, cacheBytes }))).toEqual([
        { name: "kivi:K4V4", threads: 1, cacheBytes: planBytes({ shape, layers: kivi }, context).total },
        { name: "none", threads: 1, cacheBytes: context * 3 * 2 * 32 * 2 },
        { name: "float32", threads: TWO, cacheBytes: context * 3 * 2 * 32 * 4 },
      ]);
      for (const { decode, prefill } of variants) {
        expect(decode.samples).toBe(6);
        expect(decode.lowerQuartileMs).toBeGreaterThan(0);
        expect(decode.overFirst).toBeCloseTo(variants[0]!.decode.medianMs / decode.medianMs, 9);
        expect(decode).not.toHaveProperty("overFastestPeer");
        expect(prefill?.tokensPerSecond).toBeCloseTo((1000 * context) / prefill!.timeMs, 6);
      }
    }
  });

  test("packed caches on the kernels attend on the threads that were asked for", async () => {
    const { contexts, kernels } = await benchJson("--plan", "none", "--threads", "2", "--backend", "cpu");
    for (const { variants } of contexts) expect(variants.map(({ threads }) => threads)).toEqual([TWO, TWO]);
    expect(["baseline", "relaxed", "dot-products"]).toContain(kernels);
  });

  test("prints a table, progress on stderr; synthetic numbers time no prefill", async () => {
    const { code, stdout, stderr } = await bench(...SYNTHETIC);
    expect(code).toBe(0);
    expect(stdout).toMatch(/, backend cpu \([\w-]+\), weights /);
    expect(stderr).toMatch(/^filling caches 1\/1, 70 tokens, compact:K4V3$/m);
    expect(stdout).toMatch(/^70 tokens .*ms\/token/m);
    expect(stdout).toMatch(/^compact:K4V3 .* 1\.00$/m);
    expect(stdout).not.toContain("prefill");
  });

  test.each([
    [["--context", "0"], "OPTION_INVALID", "--context"],
    [["--context", "512,many"], "USAGE", "many"],
    [["--context", "20000000"], "OPTION_INVALID", "16777215"],
    [["--rounds", "0"], "OPTION_INVALID", "--rounds"],
    [["--rounds", "1e12"], "OPTION_INVALID", "from 1 to 10000"],
    [["--backend", "abacus"], "", "abacus"],
    [["--seed", "4294967296"], "OPTION_INVALID", "4294967295"],
    [["--plan", "kivi:K9V9"], "PLAN_UNKNOWN_PAIR", "K9V9"],
    [["--text", "/nowhere/at/all.txt"], "TEXT_UNREADABLE", "/nowhere/at/all.txt"],
  ])("%j is refused", async (argv, errorCode, word) => {
    const { code, stdout, stderr } = await bench("--plan", "none", "--json", "--quiet", ...argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`error [${errorCode}`);
    expect(stderr).toContain(word);
  });

  test("a text too short for the contexts is refused", async () => {
    const text = join(folder, "short.txt");
    writeFileSync(text, "Too short.");
    const { code, stderr } = await bench("--plan", "none", "--text", text);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^error \[EVALUATION_TEXT_TOO_SHORT\]: .*at least 74 tokens in .*--context\n$/),
    });
    expect(stderr).not.toContain("window");
  });
});

test("a backend that is passed in holds the caches, and is not disposed of", async () => {
  const backend = createReferenceBackend();
  const settings = { contexts: [33], rounds: 1, tokens: 1, float: false };
  const { backend: name, contexts } = await benchWith({ model, plans: ["none"], backend, ...settings });
  expect(name).toBe("cpu-reference");
  expect(contexts[0]!.variants[0]!.threads).toBeUndefined();
  const plan = { shape, layers: Array.from({ length: 3 }, () => parseShorthand("none").layer) };
  await expect(backend.createCache(shape, plan)).resolves.toMatchObject({ length: 0 });
});

test.each(["none", "kivi:K2V4+sinks3", "compact:K4V3", "per-token:K8V3"])(
  "a synthetic cache under %s holds what the plan says, and goes on",
  async (shorthand) => {
    const backend = createReferenceBackend();
    const uneven = { ...shape, perLayer: [{}, { kvHeads: 2 }, { headSize: 64 }] };
    const plan = { shape: uneven, layers: Array.from({ length: 3 }, () => parseShorthand(shorthand).layer) };
    for (const length of [33, 300]) {
      const cache = await backend.restoreCache(uneven, plan, await syntheticSnapshot(plan, length, 5));
      expect(cache.length).toBe(length);
      for (const [layer, { queryHeads, kvHeads, headSize }] of layerShapes(uneven).entries()) {
        const row = (heads: number): Tensor =>
          new Tensor("float32", new Float32Array(heads * headSize).fill(0.5), [1, 1, heads * headSize]);
        const output = await cache.attend(layer, row(queryHeads), row(kvHeads), row(kvHeads));
        for (const value of output.data as Float32Array) expect(Math.abs(value)).toBeLessThan(1);
      }
      cache.truncate(length);
      expect(cache.bytes().total).toBe(planBytes(plan, length).total);
      await cache.dispose();
    }
  },
);
