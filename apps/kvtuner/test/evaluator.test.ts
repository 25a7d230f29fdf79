import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { createAttentionKernel, type Decoder, FloatAttention, loadDecoder } from "@kvtuner/decoder";
import {
  createEvaluator,
  createSalientAttention,
  type Evaluator,
  type RuntimeAttention,
  type Score,
  type SpillFile,
  trace,
  ZIPCACHE,
} from "@kvtuner/evaluation";
import { type CacheShape, layerScheme, type LayerScheme, parseShorthand, plainAttention } from "@kvtuner/plan";
import { expect } from "vitest";
import { oneThreadSession } from "../../../packages/decoder/src/test-support/one-thread-session.ts";
import { randomWeights } from "../../../packages/decoder/src/test-support/random-weights.ts";
import { createSession as createReusingSession } from "../src/model/session.ts";
import { openSpillFile } from "../src/model/spill-file.ts";

const LAYERS = 4;
const createSession = oneThreadSession;
const small = { hiddenSize: 32, feedForwardSize: 48, queryHeads: 4, kvHeads: 2, headSize: 16, vocabulary: 50 };
const weights = randomWeights({ architecture: "llama", layers: LAYERS, ...small, tied: true }, 11);
const decoder = await loadDecoder(weights, { createSession });
/** Sessions that write into memory of the evaluator, as those of the command line do; the others' outputs are copied. */
const reusingDecoder = await loadDecoder(weights, { createSession: createReusingSession });
const samples = [0, 1].map((sample) => Int32Array.from({ length: 70 }, (_, index) => (index * (13 + sample) + 5) % 50));
const evaluator = await createEvaluator({ decoder, samples, createSession });
const spillFolder = mkdtempSync(join(tmpdir(), "kvtuner-evaluator-"));

const pairs = [2, 3, 8, 16].flatMap((key) => [2, 4, 16].map((value) => ({ key, value }) as { key: 2; value: 4 }));
const plan: fc.Arbitrary<LayerScheme[]> = fc.array(
  fc.constantFrom(...pairs.map((pair) => layerScheme("per-token", pair)), parseShorthand("kivi:K2V2").layer),
  { minLength: LAYERS, maxLength: LAYERS },
);

test.prop([fc.array(plan, { minLength: 1, maxLength: 5 })], { numRuns: 12 })(
  "plans scored together, sharing their first layers, score as alone; each is heard once",
  async (plans) => {
    const heard = new Map<number, Score>();
    const together = await evaluator.evaluate(plans, { onScore: (index, score) => void heard.set(index, score) });
    for (const [index, layers] of plans.entries()) {
      const [alone] = await evaluator.evaluate([layers]);
      expect(together[index]).toEqual(alone);
      expect(heard.get(index)).toEqual(alone);
    }
  },
);

/** How the work is cut into pieces; none of it may change a score. */
const activations = fc.record({
  memoryBytes: fc.constantFrom(0, 60_000, 400_000, 1e9),
  rowsPerSegment: fc.constantFrom(1, 300, 1000, 1e6),
  keptBaseBytes: fc.constantFrom(0, 1e9),
  spills: fc.boolean(),
});

test.prop([fc.array(plan, { minLength: 1, maxLength: 7 }), activations], { numRuns: 7 })(
  "plans that run together, with states in memory or on disk, score as one after another and are heard in the same order",
  async (plans, { spills, ...options }) => {
    const heard = async (scorer: Evaluator): Promise<[number, Score][]> => {
      const scores: [number, Score][] = [];
      await scorer.evaluate(plans, { onScore: (index, score) => void scores.push([index, score]) });
      return scores;
    };
    const together = await createEvaluator({
      decoder: reusingDecoder,
      samples,
      createSession: createReusingSession,
      ...options,
      ...(spills && { openSpill: () => openSpillFile(spillFolder) }),
    });
    expect(await heard(together)).toEqual(await heard(evaluator));
    await together.dispose();
  },
);

test("plans of any number that run together use each segment once", async () => {
  const used: number[] = [];
  const recorded: Decoder = {
    ...decoder,
    next: async (layer, ...rest) => {
      if (used.at(-1) !== layer) used.push(layer);
      return decoder.next(layer, ...rest);
    },
  };
  const plans = Array.from({ length: LAYERS }, (_, layer) =>
    Array.from({ length: LAYERS }, (__, other) => parseShorthand(layer === other ? "kivi:K2V2" : "none").layer),
  );
  const layers = Array.from({ length: LAYERS - 1 }, (_, layer) => layer);
  const run = async (options: Partial<Parameters<typeof createEvaluator>[0]>): Promise<number[]> => {
    const scorer = await createEvaluator({ decoder: recorded, samples, createSession, ...options });
    await scorer.base();
    used.splice(0);
    await scorer.evaluate(plans);
    return used;
  };
  expect(await run({ rowsPerSegment: 1e6 })).toEqual(layers);
  // Without a file, as many as the memory holds run together.
  expect(await run({ rowsPerSegment: 1e6, memoryBytes: 0 })).toEqual([0, 1, 2, 0, 1, 2, 1, 2]);
  expect(await run({ rowsPerSegment: 280 })).toEqual([0, 1, 2, 1, 2]);
});

test("an evaluation that fails leaves its file to the next one", async () => {
  const opened: SpillFile[] = [];
  let ends = 0;
  const openSpill = async (): Promise<SpillFile> => {
    const file = await openSpillFile(spillFolder);
    opened.push(file);
    return {
      ...file,
      write: async (numbers, offset) => {
        ends = Math.max(ends, offset);
        await file.write(numbers, offset);
      },
    };
  };
  const scorer = await createEvaluator({ decoder, samples, createSession, memoryBytes: 0, openSpill });
  const layers = Array.from({ length: LAYERS }, () => parseShorthand("kivi:K2V2").layer);
  await scorer.evaluate([layers]);
  const before = ends;
  const fail = (): never => {
    throw new Error("killed");
  };
  for (let run = 0; run < 3; run++)
    await expect(scorer.evaluate([layers], { onScore: fail })).rejects.toThrow("killed");
  expect(await scorer.evaluate([layers])).toEqual(await evaluator.evaluate([layers]));
  expect([opened.length, ends]).toEqual([1, before]);
  await scorer.dispose();
});

test("what is scored again from recomputed logits, or at every position by name, is the same", async () => {
  const layers = Array.from({ length: LAYERS }, () => layerScheme("per-token", { key: 3, value: 2 }));
  const frugal = await createEvaluator({ decoder, samples, createSession, keptBaseBytes: 0 });
  const [kept] = await evaluator.evaluate([layers], { positionStride: 1 });
  const [recomputed] = await frugal.evaluate([layers]);
  expect(recomputed).toEqual(kept);
  expect(kept?.tokens).toBe(140);
  expect((await evaluator.evaluate([layers], { positionStride: 3 }))[0]?.tokens).toBe(48);
});

test("a 16-bit cache loses next to nothing, and fewer bits lose more", async () => {
  const uniform = (shorthand: string): LayerScheme[] =>
    Array.from({ length: LAYERS }, () => parseShorthand(shorthand).layer);
  const scores = await evaluator.evaluate(["none", "per-token:K8V8", "per-token:K4V4", "per-token:K2V2"].map(uniform));
  const kl = scores.map((score) => score.kl);
  expect(kl[0]).toBeLessThan(1e-5);
  expect(kl).toEqual(kl.toSorted((a, b) => a - b));
  const { perplexity } = await evaluator.base();
  expect(Math.abs((scores[0]?.perplexity ?? 0) / perplexity - 1)).toBeLessThan(1e-3);
});

test("a cache that runs scores as its plan does, in pieces of any length, and another one does not", async () => {
  const layers = Array.from({ length: LAYERS }, () => parseShorthand("per-token:K4V4+recent8").layer);
  const [expected] = await evaluator.evaluate([layers]);
  const backend = createReferenceBackend();
  let [opened, disposed] = [0, 0];
  const open = async (): Promise<RuntimeAttention> => {
    opened++;
    const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
    return { attend: cache.attend.bind(cache), dispose: async () => void disposed++ };
  };
  const heard: number[] = [];
  const onProgress = (done: number): void => void heard.push(done);
  for (const options of [{ onProgress }, { pieceTokens: 16 }]) {
    const score = await evaluator.scoreRuntime(open, options);
    expect(Math.abs(score.kl / (expected?.kl ?? 0) - 1)).toBeLessThan(1e-2);
    expect(score.tokens).toBe(140);
  }
  expect(heard).toEqual(Array.from({ length: 140 }, (_, index) => index + 1));
  expect([opened, disposed]).toEqual([4, 4]);
  const float = async (): Promise<RuntimeAttention> => new FloatAttention(decoder.shape, decoder.attention);
  expect((await evaluator.scoreRuntime(float)).kl).toBeLessThan(1e-6);
});

test("two precisions score as the plan with one of them and one recent token, if all tokens have it", async () => {
  const every = 16;
  const { key, value } = ZIPCACHE.salient!;
  const layer = {
    key: { ...key, groupSize: every, blockSize: every },
    value: { ...value, blockSize: every },
    residency: { kind: "prefix", sinks: 0, recent: 1 },
  } as LayerScheme;
  const [expected] = await evaluator.evaluate([Array.from({ length: LAYERS }, () => layer)]);
  const klOf = async (share: number): Promise<number> => {
    const scheme = { ...ZIPCACHE, share, firstTokens: every, every };
    const open = async (): Promise<RuntimeAttention> => createSalientAttention(decoder.shape, scheme);
    return (await evaluator.scoreRuntime(open, { pieceTokens: 23 })).kl;
  };
  expect(Math.abs((await klOf(1)) / expected!.kl - 1)).toBeLessThan(1e-2);
  expect(await klOf(0.6)).toBeGreaterThan(1.5 * expected!.kl);
});

/** The second and fourth attend over the first layer's cache; their own keys and values are ignored. */
const sharing: CacheShape = {
  layers: 2,
  queryHeads: small.queryHeads,
  kvHeads: small.kvHeads,
  headSize: small.headSize,
  perLayer: [{ attention: { ...plainAttention(16), mask: { kind: "sliding", span: 30 } } }, {}],
  sharing: [
    { place: 1, cacheOf: 0, queryHeads: 4 },
    { place: 3, cacheOf: 0, queryHeads: 4, attention: { ...plainAttention(16), mask: { kind: "sliding", span: 9 } } },
  ],
};

test("layers that share a cache score as they run, under any plan of the layers that have one", async () => {
  const shared = { ...decoder, shape: sharing, attention: await createAttentionKernel(sharing, createSession) };
  const scorer = await createEvaluator({ decoder: shared, samples, createSession });
  const [recent, fine] = ["per-token:K4V4+recent8", "per-token:K8V3"].map((name) => parseShorthand(name).layer);
  const inBlocks = { ...recent!, key: parseShorthand("kivi:K2V2").layer.key };
  const plans = [
    [recent!, inBlocks],
    [inBlocks, fine!],
  ];
  const scores = await scorer.evaluate(plans);
  const backends = [createReferenceBackend(), await createCpuBackend()];
  for (const [index, layers] of plans.entries())
    for (const [piece, backend] of backends.entries()) {
      const open = async (): Promise<RuntimeAttention> => backend.createCache(sharing, { layers, shape: sharing });
      const { kl } = await scorer.scoreRuntime(open, { pieceTokens: [5, 23][(index + piece) % 2]! });
      expect(Math.abs(kl / scores[index]!.kl - 1)).toBeLessThan(1e-2);
    }
  expect(new Set(scores.map(({ kl }) => kl)).size).toBe(plans.length);
  const float = async (): Promise<RuntimeAttention> => new FloatAttention(sharing, shared.attention);
  expect((await scorer.scoreRuntime(float, { pieceTokens: 7 })).kl).toBeLessThan(1e-6);
  const visited: number[] = [];
  await trace(shared, samples[0]!, (layer) => void visited.push(layer));
  expect(visited).toEqual([0, 1]);
});

test("plans of another depth and samples of different lengths are refused", async () => {
  await expect(evaluator.evaluate([[parseShorthand("none").layer]])).rejects.toMatchObject({
    code: "EVALUATION_LAYERS",
  });
  await expect(createEvaluator({ decoder, samples: [], createSession })).rejects.toMatchObject({
    code: "EVALUATION_SAMPLES",
  });
  const uneven = [new Int32Array(4), new Int32Array(5)];
  await expect(createEvaluator({ decoder, samples: uneven, createSession })).rejects.toMatchObject({
    code: "EVALUATION_SAMPLES",
  });
});

test("an aborted evaluation stops, and the next one works", async () => {
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  const fresh = await createEvaluator({ decoder, samples, createSession });
  const layers = Array.from({ length: LAYERS }, () => parseShorthand("none").layer);
  await expect(fresh.evaluate([layers], { signal: controller.signal })).rejects.toThrow("enough");
  expect(await fresh.evaluate([layers])).toHaveLength(1);
});
