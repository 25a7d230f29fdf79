import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { type Decoder, loadDecoder, loadTokenizer, openGguf } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { embeddedModelUrl, embeddedTexts } from "@kvtuner/embedded-model";
import { createEvaluator, cutSamples } from "@kvtuner/evaluation";
import { layerScheme, type LayerScheme, parseShorthand } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { openModel } from "../src/model/open.ts";
import { sessionsOn } from "../src/model/session.ts";
import { tune } from "../src/tune.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";
import { trainedLogitsError } from "./trained-logits.ts";

/** With a cache, in each model; two more layers of gpt-oss read the caches of others. */
const LAYERS = 6;
const createSession = sessionsOn(1);
const evaluationText = readFileSync(embeddedTexts.evaluation, "utf8");
const pathOf = (name: string): string => fileURLToPath(new URL(`miniatures/${name}.gguf`, embeddedModelUrl));

/** Calls `body` with a miniature's decoder and the ids of a text. */
const withMiniature = async (
  name: string,
  body: (decoder: Decoder, encode: (text: string) => Int32Array) => Promise<void>,
): Promise<void> => {
  const source = await openFileSource(pathOf(name));
  const file = await openGguf(source);
  const decoder = await loadDecoder(file, { createSession });
  const tokenizer = loadTokenizer(file);
  try {
    await body(decoder, (text) => Int32Array.from(tokenizer.encode(text)));
  } finally {
    await decoder.dispose();
    await source.close();
  }
};

test.each(["qwen3", "gpt-oss"])("logits of %s are those of the program that trained it", async (name) => {
  await withMiniature(name, async (decoder) => {
    expect(await trainedLogitsError(decoder, name)).toBeLessThan(1e-4);
  });
});

test.each(["qwen3", "gpt-oss"])("the runtime's logits of %s are the evaluator's", async (name) => {
  await withMiniature(name, async (decoder, encode) => {
    const ids = encode(evaluationText).subarray(0, 120);
    const layer = layerScheme("per-token", { key: 4, value: 2 }, { sinks: 1, recent: 3 });
    const layers = Array.from({ length: decoder.shape.layers }, () => layer);
    const expected = await evaluatorLogits(decoder, ids, layers);
    const largest = Math.max(...expected.logits.map(Math.abs));
    for (const backend of [createReferenceBackend(), await createCpuBackend()]) {
      const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
      const run = await runtimeLogits(decoder, cache, ids, [70, 71, 72, 90], expected);
      expect(largestDifference(run.logits, expected.logits) / largest).toBeLessThan(1e-3);
      await cache.dispose();
    }
  });
});

/** KL of plans on four samples of 256 tokens of text, which is not the text that plans are tuned on. */
const klOf = async (name: string, plans: readonly (readonly string[])[]): Promise<number[]> => {
  let kl: number[] = [];
  await withMiniature(name, async (decoder, encode) => {
    const samples = cutSamples(encode(evaluationText), 256, 4);
    const evaluator = await createEvaluator({ decoder, samples, createSession });
    kl = (await evaluator.evaluate(plans.map(schemesOf))).map((score) => score.kl);
    await evaluator.dispose();
  });
  return kl;
};

const schemesOf = (pairs: readonly string[]): LayerScheme[] =>
  pairs.map((pair) => parseShorthand(pair === "none" ? pair : `per-token:${pair}`).layer);

const uniform = (pair: string): string[] => Array.from({ length: LAYERS }, () => pair);
const alone = (pair: string, layer: number): string[] => uniform("none").with(layer, pair);

test.each(["qwen3", "gpt-oss"])("two bits cost some layers of %s far more than others", async (name) => {
  const kl = await klOf(
    name,
    Array.from({ length: LAYERS }, (_, layer) => alone("K2V4", layer)),
  );
  expect(Math.max(...kl) / Math.min(...kl)).toBeGreaterThan(50);
});

/** Tuned plans of 3 equivalent bits, and how many times their KL other plans have at least: K4V2, K3V3, K2V4, and their pairs reversed. */
const TUNED = [
  { name: "qwen3", pairs: ["K2V2", "K3V3", "K4V3", "K4V3", "K3V3", "K3V3"], least: [1.5, 1.05, 8, 2] },
  { name: "gpt-oss", pairs: ["K3V2", "K4V4", "K3V3", "K2V2", "K3V3", "K4V3"], least: [2, 1.05, 8, 3] },
];

test.each(TUNED)(
  "a tuned plan of $name loses less than uniform ones of as many bits, and than its own pairs reversed",
  async ({ name, pairs, least }) => {
    const others = [...["K4V2", "K3V3", "K2V4"].map((pair) => uniform(pair)), pairs.toReversed()];
    const [tuned, ...rest] = await klOf(name, [pairs, ...others]);
    for (const [index, kl] of rest.entries())
      expect(kl / tuned!, `beside ${others[index]!.join()}`).toBeGreaterThan(least[index]!);
  },
);

test("tuning gpt-oss keeps to the limit, and loses far less than two-bit keys", async () => {
  const out = mkdtempSync(join(tmpdir(), "kvtuner-miniature-"));
  const model = await openModel(pathOf("gpt-oss"), { progress: () => undefined, warn: () => undefined });
  const { picked } = await tune({
    model,
    out,
    text: fileURLToPath(embeddedTexts.calibration),
    mode: "per-token",
    pairs: ["K4V4", "K3V3", "K2V2"],
    samples: 2,
    sampleLength: 256,
    evaluations: 8,
    cost: "equivalent",
    limit: { kind: "equivalent-bits", bits: 3 },
  });
  await model.dispose();
  rmSync(out, { recursive: true });
  expect(picked.equivalentBits).toBeLessThanOrEqual(3);
  expect(picked.pairs).toHaveLength(LAYERS);
  const [tuned, coarse] = await klOf("gpt-oss", [picked.pairs, uniform("K2V4")]);
  expect(coarse! / tuned!).toBeGreaterThan(4);
});
