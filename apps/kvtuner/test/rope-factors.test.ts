import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bench } from "../src/bench.ts";
import { evaluate } from "../src/evaluate.ts";
import { openModel } from "../src/model/open.ts";
import { run } from "../src/run.ts";
import { tune } from "../src/tune.ts";
import { familyFile } from "./family-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-rope-"));
const model = join(folder, "phi3.gguf");
const text = join(folder, "text.txt");

// Phi-3's fixture has RoPE factors for 64 tokens and others for 512.
writeFileSync(model, familyFile("phi3.short"));
writeFileSync(text, "All that is gold does not glitter. ".repeat(20));

const access = { progress: () => undefined, warn: () => undefined };

const perplexity = async (sample: Int32Array, contextLength?: number): Promise<number> => {
  const opened = await openModel(model, access, contextLength === undefined ? {} : { contextLength });
  try {
    return (await (await opened.evaluator([sample])).base()).perplexity;
  } finally {
    await opened.dispose();
  }
};

test("eval runs samples beyond Phi-3's first context with the factors for them", async () => {
  const common = { model, text, plan: "none", samples: 1 };
  const sample = Int32Array.from({ length: 128 }, (_, index) => (index * 17 + 3) % 256);
  await expect(perplexity(sample)).rejects.toMatchObject({ code: "MODEL_ROPE_CONTEXT" });
  const short = sample.subarray(0, 64);
  expect(await perplexity(short, 128)).not.toBeCloseTo(await perplexity(short), 3);
  const scores = [];
  for (const lengths of [{ sampleLength: 64, context: 64 }, { sampleLength: 64 }, { sampleLength: 128, context: 64 }])
    scores.push(await evaluate({ ...common, ...lengths }));
  expect(Math.max(...scores.map(({ kl }) => kl))).toBeLessThan(1e-3);
  expect(scores[0]!.perplexity).not.toBeCloseTo(scores[1]!.perplexity, 3);
});

test("run takes as many tokens as its context, with the factors for it", async () => {
  const settings = { model, plan: "none", prompt: "All that is gold does not glitter. ", backend: "cpu-reference" };
  const texts = [];
  for (const context of [64, 65, undefined])
    texts.push(await run({ ...settings, maxTokens: 80, ...(context !== undefined && { context }) }));
  const lengths = texts.map(({ prompt, ids }) => prompt.tokens + ids.length - 1);
  expect(texts.map(({ finish }) => finish)).toEqual(["context", "context", "length"]);
  expect(lengths.slice(0, 2)).toEqual([64, 65]);
  expect(texts[0]!.ids.slice(0, 20)).not.toEqual(texts[1]!.ids.slice(0, 20));
  expect(texts[1]!.ids).toEqual(texts[2]!.ids.slice(0, texts[1]!.ids.length));
  await expect(run({ ...settings, context: 8 })).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
});

test("tune runs them too", async () => {
  const result = await tune({
    model,
    text,
    out: join(folder, "study"),
    samples: 1,
    sampleLength: 128,
    evaluations: 2,
    mode: "per-token",
  });
  expect(result.evaluations).toBeGreaterThan(0);
});

test("bench runs contexts beyond it", async () => {
  const common = { model, plans: ["none"], backend: "cpu-reference", rounds: 1, tokens: 1, float: false };
  const { contexts } = await bench({ ...common, contexts: [100] });
  expect(contexts.map(({ context }) => context)).toEqual([100]);
});
