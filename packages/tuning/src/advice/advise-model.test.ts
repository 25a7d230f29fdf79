import type { Evaluator } from "@kvtuner/evaluation";
import { bitsOf, type CacheShape, type LayerScheme, planBytes, type SchemeOf } from "@kvtuner/plan";
import { describe, expect, it, test } from "vitest";
import type { Callbacks } from "../progress.ts";
import { channelRanges } from "../runtimes/channel-ranges.ts";
import type { TunableModel } from "../tunable-model.ts";
import { type Advice, adviseModel, type AdviceRequest } from "./advise-model.ts";
import { RUNTIMES } from "./runtimes.ts";

const TOKENS = 64;
const SHAPE: CacheShape = { layers: 16, queryHeads: 2, kvHeads: 2, headSize: 64 };
const WIDTH = SHAPE.queryHeads * SHAPE.headSize;
const CALLBACKS: Callbacks = { progress: () => undefined, warn: () => undefined };

/** Layer 3 loses most, then 11; keys lose four times as much as values. */
const sensitivity = (layer: number): number => ({ 3: 9, 11: 5 })[layer] ?? 1;
const error = (layer: number, { key, value }: LayerScheme): number =>
  sensitivity(layer) * (2 * 2 ** -bitsOf(key) + 2 ** -bitsOf(value));
const klOf = (layers: readonly LayerScheme[]): number =>
  layers.reduce((sum, scheme, layer) => sum + error(layer, scheme) ** 2, 0);

/** A model whose losses are a formula, which its gradients know. `scored` collects the plans that were evaluated. */
const fakeModel = (shape: CacheShape = SHAPE, scored: (readonly LayerScheme[])[] = []): TunableModel => ({
  identity: { name: "fake", architecture: "llama" },
  shape,
  encode: () => new Int32Array(0),
  continuations: async () => [],
  evaluator: async () =>
    ({
      shape,
      evaluate: async (plans) =>
        plans.map((layers) => {
          scored.push(layers);
          const kl = klOf(layers);
          const rest = { klTail: kl, top1: 1, top1StandardError: 0, perplexity: 9, basePerplexity: 9 };
          return { kl, klStandardError: 0, perplexityStandardError: 0, tokens: 1, sampleKl: [kl], ...rest };
        }),
      dispose: async () => undefined,
    }) as Pick<Evaluator, "shape" | "evaluate" | "dispose"> as Evaluator,
  trace: async (sample, visit) => {
    const channels = shape.kvHeads * shape.headSize;
    const numbers = Float32Array.from({ length: sample.length * channels }, (_, i) => -1 - (i % channels));
    for (let layer = 0; layer < shape.layers; layer++)
      await visit(layer, { query: numbers, key: numbers, value: numbers });
  },
  gradients: async (samples, _, visit) => {
    for (let layer = shape.layers - 1; layer >= 0; layer--) {
      const trace = { query: new Float32Array(0), key: new Float32Array(0), value: new Float32Array(0) };
      const gradients = [new Float32Array(TOKENS * WIDTH).fill(1)];
      const attend = async (scheme: LayerScheme) => new Float32Array(TOKENS * WIDTH).fill(1 + error(layer, scheme));
      await visit({ sample: samples.length - 1, layer, isOwn: true, trace, gradients, attend });
    }
  },
  dispose: async () => undefined,
});

const advise = (name: string, request: Partial<AdviceRequest> = {}, model = fakeModel()): Promise<Advice> => {
  const runtime = RUNTIMES.find((known) => known.name === name)!;
  return adviseModel(
    model,
    { runtime, samples: [new Int32Array(TOKENS)], context: 1024, seed: 0, ...request },
    CALLBACKS,
  );
};

describe.each(RUNTIMES.map(({ name }) => name))("%s", (name) => {
  it("ranks measured settings by loss, with exact bytes, at most eight of them", async () => {
    const scored: (readonly LayerScheme[])[] = [];
    const { settings, considered } = await advise(name, {}, fakeModel(SHAPE, scored));
    expect(scored).toHaveLength(settings.length);
    expect(settings.length).toBe(Math.min(8, considered));
    expect(settings.map(({ kl }) => kl)).toEqual(settings.map(({ kl }) => kl).toSorted((a, b) => a - b));
    const bytes = scored.map((layers) => planBytes({ layers, shape: SHAPE }, 1024).total);
    expect(new Set(settings.map((setting) => setting.bytes))).toEqual(new Set(bytes));
    for (const { paste } of settings) expect(paste).not.toBe("");
  });

  it("finds the least lossy of all its settings within a budget", async () => {
    const everything = await advise(name);
    const smallest = Math.min(...everything.settings.map(({ bytes }) => bytes));
    const budget = Math.ceil((smallest + everything.bytes16) / 2);
    const { settings } = await advise(name, { budget });
    const runtime = RUNTIMES.find((known) => known.name === name)!;
    const ranges = await channelRanges(fakeModel(), [new Int32Array(TOKENS)]);
    const best = Math.min(
      ...runtime
        .settings({ shape: SHAPE, ranges })
        .filter(({ layers }) => planBytes({ layers, shape: SHAPE }, 1024).total <= budget)
        .map(({ layers }) => klOf(layers)),
    );
    for (const { bytes } of settings) expect(bytes).toBeLessThanOrEqual(budget);
    expect(settings[0]!.kl).toBeLessThanOrEqual(best * (1 + 1e-9));
  });

  it("says the smallest setting when none fits the budget, before it profiles", async () => {
    const model = { ...fakeModel(), gradients: async () => expect.fail("profiled") };
    await expect(advise(name, { budget: 1000 }, model)).rejects.toMatchObject({
      code: "BUDGET_TOO_SMALL",
      message: expect.stringMatching(
        new RegExp(
          `some setting of ${name} meets, got 1000 bytes.*the smallest, .+, takes \\d+ bytes .* at 1024 tokens`,
        ),
      ) as string,
    });
  });
});

test("vLLM skips the layers that lose most", async () => {
  const { settings } = await advise("vllm");
  const skipping = settings.filter(({ label }) => label.includes("skip"));
  expect(skipping.length).toBeGreaterThan(0);
  for (const { label, paste } of skipping) {
    expect(label).toMatch(/skip ((.*,)?3\b|8 layers)/);
    expect(paste).toMatch(/^--kv-cache-dtype \S+ --kv-cache-dtype-skip-layers (\d+ )*3\b/);
  }
});

test("settings that leave all layers in 16 bits are dropped", async () => {
  // TurboQuant skips two layers at either end, so one more skipped, or four layers, may leave none.
  for (const layers of [4, 5, 6]) {
    const scored: (readonly LayerScheme[])[] = [];
    await advise("vllm", {}, fakeModel({ ...SHAPE, layers }, scored));
    expect(scored.length).toBeGreaterThan(0);
    for (const plan of scored) expect(plan.some(({ key }) => key.kind !== "float16")).toBe(true);
  }
});

test("no setting skips layers that are in 16 bits already", async () => {
  const scored: (readonly LayerScheme[])[] = [];
  // Without gradients all layers seem to lose alike, those that TurboQuant skips by itself too.
  const { gradients: _, ...model } = fakeModel(SHAPE, scored);
  const { settings } = await advise("vllm", {}, model);
  const repeated = settings.filter(({ label }) => !label.includes("skip"));
  const distinct = new Set(scored.map((plan) => JSON.stringify(plan)));
  expect(distinct.size).toBe(scored.length - repeated.length);
});

test("ONNX Runtime's maps mix widths, with scales that reach the largest number", async () => {
  const { settings } = await advise("onnxruntime");
  const mixed = settings.filter(({ label }) => label.includes(" x "));
  expect(mixed.length).toBeGreaterThan(0);
  for (const { paste } of settings) expect(Object.keys(JSON.parse(paste) as object)).toHaveLength(SHAPE.layers);
  const uniform = RUNTIMES.find(({ name }) => name === "onnxruntime")!.settings({
    shape: SHAPE,
    ranges: await channelRanges(fakeModel(), [new Int32Array(TOKENS)]),
  });
  const { key } = uniform.find(({ label }) => label === "int8 per channel")!.layers[0]!;
  expect((key as SchemeOf<"block-format">).scales.slice(0, 2)).toEqual([1 / 127, 2 / 127]);
});

test("without gradients, settings are measured on one sample first", async () => {
  const { gradients: _, ...model } = fakeModel();
  const { settings } = await advise("llama.cpp", {}, model);
  expect(settings[0]!.kl).toBe((await advise("llama.cpp")).settings[0]!.kl);
});

test("a runtime that cannot quantize the heads says so", async () => {
  await expect(advise("mlx", {}, fakeModel({ ...SHAPE, headSize: 80 }))).rejects.toMatchObject({
    code: "ADVICE_NO_SETTING",
    message:
      "expected heads of multiples of 64, which mlx can quantize, got heads of 80; its cache of this model stays in 16 bits",
  });
});
