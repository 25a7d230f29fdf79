import type { KvCache } from "@kvtuner/backend";
import { type CacheShape, parseShorthand, uniformPlan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../reference/reference-backend.ts";
import { createCpuBackend } from "./cpu-backend.ts";
import { knowsRelaxedSimd, type Simd, SIMDS } from "./kernel-module.ts";
import { normals, randomTensor, relativeDifference } from "./test-support/attention-cases.ts";

/** The bound in the README. */
const BOUND = 1e-3;

type Next = () => number;
type Rows = (next: Next, token: number, channel: number) => number;

const normal: Rows = (next) => next();

/** Rows whose Hadamard transform has nearly all codes on one side of the middle. */
const VALUES: Readonly<Record<string, Rows>> = {
  "equal in all channels": () => 0.7312,
  "equal in all channels of a token": (_, token) => Math.sin(1.7 * token),
  "around a constant": (next) => 1 + 0.05 * next(),
};

/** Queries and keys that are large in one channel, the same or different ones. */
const FAR_OUT: Readonly<Record<string, readonly [query: Rows, key: Rows]>> = {
  "queries alone": [(next, _, channel) => (channel === 3 ? 120 : next()), normal],
  "queries and keys in the same channel": [
    (next, _, channel) => (channel === 3 ? 80 - 8 * Math.abs(next()) : next()),
    (next, _, channel) => (channel === 3 ? 150 - 15 * Math.abs(next()) : next()),
  ],
  "queries and keys in different channels": [
    (next, _, channel) => (channel === 3 ? 80 : next()),
    (next, _, channel) => (channel === 40 ? 150 : next()),
  ],
};

const peaked: Rows = (next) => 6 * next();

const PROMPT = 158;
const TOKENS = 12;
const SEEDS = [1, 2];
const QUERY_HEADS = 3;

const rowsTensor = (next: Next, rows: Rows, tokens: number, heads: number, headSize: number): Tensor => {
  const width = heads * headSize;
  const numbers = Array.from({ length: tokens * width }, (_, index) =>
    rows(next, Math.floor(index / width), index % headSize),
  );
  return new Tensor("float32", Float32Array.from(numbers), [1, tokens, width]);
};

const reference = createReferenceBackend();

interface Case {
  readonly plan: string;
  readonly headSize: number;
  readonly query: Rows;
  readonly key: Rows;
  readonly value: Rows;
}

/** The largest difference from the reference over all seeds. */
const worstDifference = async (simd: Simd, { plan, headSize, query, key, value }: Case): Promise<number> => {
  const backend = await createCpuBackend({ simd });
  const shape: CacheShape = { layers: 1, queryHeads: QUERY_HEADS, kvHeads: 1, headSize };
  const layers = uniformPlan({ name: "test", architecture: "test" }, shape, parseShorthand(plan).layer);
  let worst = 0;
  for (const seed of SEEDS) {
    const next = normals(seed);
    const open = (): Promise<KvCache[]> =>
      Promise.all([backend, reference].map((each) => each.createCache(shape, layers)));
    const [cache, oracle] = await open();
    for (const [tokens, queries] of [
      [PROMPT, randomTensor(next, PROMPT, QUERY_HEADS * headSize, 1)],
      [TOKENS, rowsTensor(next, query, TOKENS, QUERY_HEADS, headSize)],
    ] as const) {
      const rows = [key, value].map((each) => rowsTensor(next, each, tokens, 1, headSize)) as [Tensor, Tensor];
      const [got, expected] = await Promise.all([cache, oracle].map((each) => each!.attend(0, queries, ...rows)));
      worst = Math.max(worst, relativeDifference(got!, expected!));
    }
    await cache!.dispose();
  }
  await backend.dispose();
  return worst;
};

const known = knowsRelaxedSimd();

/** The cases of a module whose outputs exceed the bound, with their differences. */
const beyondBound = async (simd: Simd, cases: readonly Case[]): Promise<string[]> => {
  const beyond = [];
  for (const each of cases) {
    const difference = await worstDifference(simd, each);
    if (!(difference <= BOUND)) beyond.push(`${each.plan}, head size ${each.headSize}: ${difference}`);
  }
  return beyond;
};

describe.each(SIMDS.filter((simd) => simd === "baseline" || known))("%s: outputs keep to the bound", (simd) => {
  test.each(Object.keys(VALUES))("with values %s", async (name) => {
    const plans = ["compact:K4V2", "compact:K4V4", "per-token:K4V2"];
    const cases = plans.map((plan) => ({ plan, headSize: 128, query: peaked, key: normal, value: VALUES[name]! }));
    expect(await beyondBound(simd, cases)).toEqual([]);
  });

  test.each(Object.keys(FAR_OUT))("with far out %s", async (name) => {
    const [query, key] = FAR_OUT[name]!;
    const plans = ["per-token:K2V2", "per-token:K8V8", "kivi:K2V2"];
    const cases = plans.flatMap((plan) => [32, 128].map((headSize) => ({ plan, headSize, query, key, value: normal })));
    expect(await beyondBound(simd, cases)).toEqual([]);
  });
});
