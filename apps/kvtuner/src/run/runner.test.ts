import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planBytes } from "@kvtuner/plan";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tinyTokens, writeTinyModel } from "../../test/tiny-model.ts";
import { run, type RunOptions } from "../run.ts";
import { openRunner, type Runner } from "./runner.ts";

const model = join(mkdtempSync(join(tmpdir(), "kvtuner-run-")), "tiny.gguf");
const base = { model, plan: "per-token:K4V4+recent8", backend: "cpu-reference", threads: 1 };

beforeAll(() => writeTinyModel(model));

describe("openRunner", () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner(base);
  });
  afterAll(async () => runner.dispose());

  test("gives text, tokens, speeds and the bytes that the plan says", async () => {
    let streamed = "";
    const onText = (text: string): void => void (streamed += text);
    const result = await runner.generate({ prompt: "the thing", maxTokens: 20, onText });
    expect(result).toMatchObject({ finish: "length", text: streamed, backend: "cpu-reference" });
    expect(result.ids).toHaveLength(20);
    expect(result.prompt).toEqual({ tokens: 6, reused: 0 });
    expect([result.prefill.tokens, result.decode.tokens]).toEqual([6, 19]);
    expect(result.cache.tokens).toBe(25);
    expect(result.cache.bytes).toEqual(planBytes(runner.plan, 25));
    const { layers, kvHeads, headSize } = runner.plan.shape;
    expect(result.cache.bytes16).toBe(25 * layers * kvHeads * headSize * 2 * 2);
  });

  test("a continued conversation gives the same text as a new one", async () => {
    const first = [{ role: "user", content: "What is the thing?" }] as const;
    const { text } = await runner.generate({ prompt: first, maxTokens: 12 });
    const messages = [...first, { role: "assistant", content: text }, { role: "user", content: "the other" }] as const;
    const second = await runner.generate({ prompt: messages, maxTokens: 12 });
    expect(second.prompt.reused).toBeGreaterThan(20);
    expect(second.prefill.tokens).toBe(second.prompt.tokens - second.prompt.reused);
    const fresh = await run({ ...base, prompt: messages, maxTokens: 12 });
    expect(fresh.prompt.reused).toBe(0);
    expect(fresh.text).toBe(second.text);
  });

  test("samples the same text with the same seed, and another with another", async () => {
    const drawn = async (seed: number): Promise<readonly number[]> =>
      (await runner.generate({ prompt: "the", maxTokens: 30, temperature: 2, seed })).ids;
    const [one, again, other] = [await drawn(1), await drawn(1), await drawn(2)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  test("ends at the signal with the text so far, and then runs the next", async () => {
    const controller = new AbortController();
    let tokens = 0;
    const onText = (): void => {
      if (++tokens === 3) controller.abort();
    };
    const options = { prompt: "the thing", maxTokens: 100, temperature: 1 };
    // Truncating a 16-bit cache leaves no trace.
    const exact = await openRunner({ ...base, plan: "none" });
    const whole = await exact.generate(options);
    const cut = await exact.generate({ ...options, onText, signal: controller.signal });
    expect(cut.finish).toBe("interrupted");
    expect(cut.ids.length).toBeLessThan(whole.ids.length);
    expect(whole.ids.slice(0, cut.ids.length)).toEqual(cut.ids);
    expect((await exact.generate(options)).ids).toEqual(whole.ids);
    await exact.dispose();
  });

  test("ends at a token that ends a turn, though the metadata names another one", async () => {
    const { ids } = await run({ ...base, prompt: "the thing", maxTokens: 20, temperature: 1 });
    // The ids of bytes are the bytes.
    const end = ids.findIndex((id) => !"the thing".includes(String.fromCharCode(id)));
    const path = join(mkdtempSync(join(tmpdir(), "kvtuner-run-")), "turns.gguf");
    writeTinyModel(path, { "tokenizer.ggml.tokens": await tinyTokens({ [ids[end]!]: "<|eot_id|>" }) });
    const result = await run({ ...base, model: path, prompt: "the thing", maxTokens: 20, temperature: 1 });
    expect(result).toMatchObject({ finish: "stop", ids: ids.slice(0, end), prompt: { tokens: 6 } });
  });

  test("warns once about a model file that does not say how to split text", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "kvtuner-run-")), "old.gguf");
    writeTinyModel(path, { "tokenizer.ggml.pre": undefined });
    const warnings: string[] = [];
    const quiet = { ...base, onWarning: (message: string): void => void warnings.push(message) };
    await run({ ...quiet, model: path, prompt: "the thing", maxTokens: 2 });
    expect(warnings).toEqual([expect.stringContaining("tokenizer.ggml.pre")]);
  });

  test("reads special tokens that a user types as text, unless told otherwise", async () => {
    const prompt = [{ role: "user", content: "a<|endoftext|>b" }] as const;
    const [text, tokens] = await Promise.all(
      [false, true].map(async (specialTokens) => runner.generate({ prompt, maxTokens: 1, specialTokens })),
    );
    expect(text!.prompt.tokens - tokens!.prompt.tokens).toBe("<|endoftext|>".length - 1);
  });

  test("ends at the end of the context", async () => {
    const { finish, ids, cache } = await runner.generate({ prompt: "x".repeat(505), maxTokens: 100 });
    expect({ finish, tokens: ids.length, held: cache.tokens }).toEqual({ finish: "context", tokens: 8, held: 512 });
  });
});

describe("dispose", () => {
  test("ends after the current generation, and rejects waiting and later ones", async () => {
    const runner = await openRunner(base);
    const [first, second] = [1, 2].map(async () => runner.generate({ prompt: "the thing", maxTokens: 5 }));
    const waiting = second!.catch((error: unknown) => error);
    await runner.load();
    await runner.dispose();
    expect((await first!).ids).toHaveLength(5);
    expect(await waiting).toMatchObject({ code: "RUNNER_DISPOSED" });
    await expect(runner.generate({ prompt: "the" })).rejects.toMatchObject({ code: "RUNNER_DISPOSED" });
    await expect(runner.load()).rejects.toMatchObject({ code: "RUNNER_DISPOSED" });
    await runner.dispose();
  });

  test("ends loading the model, which a generation's signal does not end", async () => {
    const controller = new AbortController();
    let loaded = [0, 0];
    const runner = await openRunner({
      ...base,
      onProgress: ({ step, done, total }) => {
        if (step === "load") loaded = [done, total];
        controller.abort();
      },
    });
    const result = await runner.generate({ prompt: "the thing", maxTokens: 5, signal: controller.signal });
    const nothing = { tokens: 0, timeMs: 0, tokensPerSecond: 0 };
    expect(result).toMatchObject({ finish: "interrupted", text: "", ids: [], prefill: nothing, decode: nothing });
    await runner.dispose();
    expect(loaded[0]).toBeLessThan(loaded[1]!);
  });
});

test.each([
  ["no prompt", { prompt: "" }, "PROMPT_EMPTY", /at least one token/],
  ["a prompt beyond the context", { prompt: "x".repeat(513) }, "PROMPT_TOO_LONG", /at most 512 .* 513/],
  ["an unknown backend", { backend: "metal" }, "OPTION_INVALID", /--backend.*cpu-reference.*"metal"/],
  ["unknown weights", { weights: "int3" as "exact" }, "OPTION_INVALID", /--weights.*compact, exact, got "int3"$/],
  ["an old name of weights", { weights: "stored" as "exact" }, "OPTION_INVALID", /--weights.*"stored"; use exact/],
  ["another one", { weights: "stored-int8" as "exact" }, "OPTION_INVALID", /"stored-int8"; use compact/],
  ["too little memory", { memory: 50e6 }, "MODEL_MEMORY", /--weights compact and .*--weights exact .*got --memory 50/],
  ["no threads", { threads: 0 }, "OPTION_INVALID", /--threads/],
  ["no tokens", { maxTokens: 0 }, "OPTION_INVALID", /--max-tokens/],
  ["a seed of more than 32 bits", { seed: 2 ** 32 }, "OPTION_INVALID", /--seed.*4294967295, got 4294967296/],
  ["a temperature below 0", { temperature: -1 }, "OPTION_INVALID", /--temperature/],
  ["a share above 1", { topP: 1.5 }, "OPTION_INVALID", /--top-p/],
  ["shorthand that is none", { plan: "kivy:K4V4" }, "PLAN_UNKNOWN_SHORTHAND", /kivy/],
] as [string, Partial<RunOptions>, string, RegExp][])(
  "%s is rejected before the weights are loaded",
  async (_, options, code, message) => {
    const onProgress = (): void => expect.fail("weights were loaded");
    const refused = { code, message: expect.stringMatching(message) as unknown };
    await expect(run({ ...base, prompt: "the", ...options, onProgress })).rejects.toMatchObject(refused);
  },
);
