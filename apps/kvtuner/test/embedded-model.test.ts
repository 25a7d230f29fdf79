import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  CacheSession,
  FloatAttention,
  generateOn,
  loadDecoder,
  loadTokenizer,
  openGguf,
  readConfig,
} from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { embeddedModelUrl, embeddedTasks, embeddedTexts, type EmbeddedTask } from "@kvtuner/embedded-model";
import { createEvaluator, cutSamples, type Evaluator } from "@kvtuner/evaluation";
import { parseShorthand, type LayerScheme } from "@kvtuner/plan";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sessionsOn } from "../src/model/session.ts";
import { trainedLogitsError } from "./trained-logits.ts";

interface Prompt {
  readonly prompt: string;
  readonly answer: string;
  readonly compare: string;
}

const createSession = sessionsOn(1);
const source = await openFileSource(fileURLToPath(embeddedModelUrl));
const file = await openGguf(source);
const decoder = await loadDecoder(file, { createSession });
const tokenizer = loadTokenizer(file);
const END = "<|end|>";

const linesOf = (task: EmbeddedTask): Prompt[] =>
  readFileSync(embeddedTasks[task], "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Prompt);

const answerTo = async (prompt: string): Promise<string> => {
  const session = new CacheSession({ decoder, cache: new FloatAttention(decoder.shape, decoder.attention) });
  const sampling = { temperature: 0, random: Math.random };
  const ids: number[] = [];
  const options = { prompt: tokenizer.encode(prompt), sampling, maxTokens: 200, stopIds: tokenizer.eosIds };
  for await (const id of generateOn(session, options)) ids.push(id);
  return tokenizer.decode(ids);
};

afterAll(async () => {
  await decoder.dispose();
  await source.close();
});

test("the file is a small llama model of grouped queries, with bytes as tokens", () => {
  expect(readConfig(file)).toMatchObject({
    architecture: "llama",
    layers: 6,
    hiddenSize: 128,
    feedForwardSize: 256,
    queryHeads: 4,
    kvHeads: 2,
    headSize: 32,
    contextLength: 512,
  });
  expect(file.tensors.has("output.weight"), "the output is the embedding").toBe(false);
  expect(tokenizer.vocabularySize).toBe(258);
  expect([...tokenizer.encode("aä\n")]).toEqual([0x61, 0xc3, 0xa4, 0x0a]);
  expect([...tokenizer.encode(END)]).toEqual(tokenizer.eosIds);
});

test("its logits are those of the program that trained it", async () => {
  expect(await trainedLogitsError(decoder, "embedded")).toBeLessThan(1e-4);
});

test.for(Object.keys(embeddedTasks) as EmbeddedTask[])(
  "%s: 300 prompts, nearly all of the first ten answered rightly",
  async (task) => {
    const lines = linesOf(task);
    expect(new Set(lines.map(({ prompt }) => prompt)).size).toBe(300);
    expect(lines.every(({ compare }) => compare === "exact")).toBe(true);
    let right = 0;
    for (const { prompt, answer } of lines.slice(0, 10)) right += Number((await answerTo(prompt)) === answer);
    expect(right).toBeGreaterThanOrEqual(8);
  },
);

describe("on its text", () => {
  let evaluator: Evaluator;
  const uniform = (shorthand: string): LayerScheme[] =>
    Array.from({ length: 6 }, () => parseShorthand(shorthand).layer);
  const alone = (layer: number): LayerScheme[] => uniform("none").with(layer, parseShorthand("per-token:K2V4").layer);

  beforeAll(async () => {
    const ids = tokenizer.encode(readFileSync(embeddedTexts.evaluation, "utf8"));
    evaluator = await createEvaluator({ decoder, samples: cutSamples(ids, 512, 4), createSession });
  });
  afterAll(async () => evaluator.dispose());

  test("keys of 2 bits cost some layers at least 50 times as much as others", async () => {
    const scores = await evaluator.evaluate([0, 1, 2, 3, 4, 5].map(alone));
    const kl = scores.map((score) => score.kl);
    expect(Math.max(...kl) / Math.min(...kl)).toBeGreaterThan(50);
  });

  test("uniform plans lose the more, the fewer bits they have", async () => {
    const plans = ["none", "per-token:K8V8", "per-token:K4V4", "per-token:K4V2", "per-token:K2V2"];
    const kl = (await evaluator.evaluate(plans.map(uniform))).map((score) => score.kl);
    expect(kl).toEqual(kl.toSorted((a, b) => a - b));
  });
});
