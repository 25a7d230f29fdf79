import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bufferSource, FloatAttention, loadDecoder, openGguf } from "@kvtuner/decoder";
import { createTaskEvaluator, type EncodedPrompt, greedyOutputs } from "@kvtuner/evaluation";
import { cachePlaces, parseShorthand } from "@kvtuner/plan";
import type { StudyContents } from "@kvtuner/tuning";
import { afterAll, expect, test } from "vitest";
import { oneThreadSession } from "../../../packages/decoder/src/test-support/one-thread-session.ts";
import { evaluate } from "../src/evaluate.ts";
import { inspect } from "../src/inspect.ts";
import { readPlanFile } from "../src/model/read-plan.ts";
import { run } from "../src/run.ts";
import { tune } from "../src/tune.ts";
import { familyFile } from "./family-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-hybrid-"));
const fileOf = (name: string): string => join(folder, `${name}.gguf`);
const text = join(folder, "text.txt");
writeFileSync(text, "All that is gold does not glitter. ".repeat(20));
for (const name of ["lfm2", "qwen35"]) writeFileSync(fileOf(name), familyFile(name));
afterAll(() => rmSync(folder, { recursive: true }));

type Profile = NonNullable<StudyContents["profile"]>;

const HEADS = { queryHeads: 4, kvHeads: 2 };

test("inspect lists layers with a cache and those with a state, and counts both to the byte", async () => {
  const convolution = { attention: "none", kind: "short convolution", stateBytes: 4 * 32 * 2 };
  const small = { attention: "full", ...HEADS, headSize: 8, bytes: 100 * 2 * 2 * 8 * 2 };
  expect(await inspect({ target: fileOf("lfm2"), context: 100 })).toMatchObject({
    layers: [
      { first: 0, last: 1, ...convolution },
      { first: 2, last: 2, ...small },
      { first: 3, last: 3, ...convolution },
      { first: 4, last: 4, ...small },
      { first: 5, last: 5, ...convolution },
    ],
    bytes16: 2 * small.bytes,
    stateBytes: 4 * convolution.stateBytes,
  });
  // Queries and keys of 2 heads and values of 4, for 3 tokens; and what 4 heads remember.
  const delta = { attention: "none", kind: "Gated DeltaNet", stateBytes: 4 * (64 * 3 + 4 * 8 * 8) };
  const large = { attention: "full", ...HEADS, headSize: 16, bytes: 100 * 2 * 2 * 16 * 2 };
  expect(await inspect({ target: fileOf("qwen35"), context: 100 })).toMatchObject({
    layers: [
      { first: 0, last: 1, ...delta },
      { first: 2, last: 2, ...large },
      { first: 3, last: 4, ...delta },
      { first: 5, last: 5, ...large },
      { first: 6, last: 6, ...delta },
    ],
    bytes16: 2 * large.bytes,
    stateBytes: 5 * delta.stateBytes,
  });
});

test("a model with layers without a cache is tuned, evaluated and run", async () => {
  const model = fileOf("qwen35");
  const out = join(folder, "study");
  const sample = { text, samples: 1, sampleLength: 48 };
  await tune({ model, out, ...sample, mode: "per-token", evaluations: 2, pairs: ["K8V8", "K4V4"], verify: true });
  const plan = readPlanFile(join(out, "plan.json"));
  expect(plan.layers).toHaveLength(2);
  expect(cachePlaces(plan.shape)).toEqual([2, 5]);
  expect((await evaluate({ model, plan: "none", ...sample })).kl).toBeLessThan(1e-4);
  expect((await run({ model, plan, prompt: "All that is gold", maxTokens: 8 })).ids).toHaveLength(8);
});

/** Candidates of each layer, as profiled. */
const profiled = async (name: string, measure: "kl" | "gradient"): Promise<Profile["layers"]> => {
  const out = join(folder, `${name}-${measure}`);
  const options = { text, samples: 2, sampleLength: 160, evaluations: 1, mode: "per-token" } as const;
  await tune({ model: fileOf(name), out, pairs: ["K8V8", "K4V4", "K2V4", "K4V2"], measure, ...options });
  return (JSON.parse(readFileSync(join(out, "profile.json"), "utf8")) as Profile).layers;
};

test.each(["lfm2", "qwen35"])("gradients estimate the KL of the layers of %s with a cache", async (name) => {
  const [measured, estimated] = [await profiled(name, "kl"), await profiled(name, "gradient")];
  const ratios = estimated.map(({ candidates }, layer) =>
    candidates.map(({ estimate }, choice) => estimate! / measured[layer]!.candidates[choice]!.kl!),
  );
  expect(ratios).toHaveLength(2);
  for (const ratio of ratios.flat()) expect(ratio).toBeGreaterThan(0.5);
  for (const ratio of ratios.flat()) expect(ratio).toBeLessThan(2);
});

const exported = fileURLToPath(new URL("../../../packages/decoder/src/fixtures/exported-llama", import.meta.url));

test("gradients of a model of an ONNX file are refused before a study is made", async () => {
  const out = join(folder, "gradients");
  const sample = { text, samples: 1, sampleLength: 32 };
  const refused = tune({ model: exported, out, ...sample, measure: "gradient", pairs: ["K8V8", "K4V4"] });
  await expect(refused).rejects.toMatchObject({
    code: "OPTION_INVALID",
    message: expect.stringContaining("use --measure kl"),
  });
  expect(existsSync(out)).toBe(false);
});

test("prompts of a task start from empty states, read in one pass or generated together", async () => {
  const createSession = oneThreadSession;
  const decoder = await loadDecoder(await openGguf(bufferSource(familyFile("lfm2"))), { createSession });
  const prompts = Array.from({ length: 16 }, (_, prompt) =>
    Int32Array.from({ length: 4 + prompt }, (_token, index) => (prompt * 29 + index * 17) % 256),
  );
  const outputs = await greedyOutputs({
    decoder,
    openCache: async () => new FloatAttention(decoder.shape, decoder.attention),
    prompts,
    endTokens: [],
    maxTokens: 3,
  });
  // The third token is the stop, so it must not be in the answer.
  const usable = prompts.filter((_, index) => !outputs[index]!.slice(0, 2).includes(outputs[index]![2]!));
  expect(usable.length).toBeGreaterThan(3);
  const encoded = usable.map((ids): EncodedPrompt => {
    const output = outputs[prompts.indexOf(ids)]!;
    return {
      item: { prompt: "", answer: "", compare: "exact", line: 1 },
      ids,
      targets: [Int32Array.from(output.slice(0, 2))],
      right: 0,
      stop: Int32Array.from(output.slice(2)),
    };
  });
  const tokenizer = { decode: (ids: ArrayLike<number>) => Array.from(ids).join(" "), eosIds: [] };
  const evaluator = await createTaskEvaluator({ decoder, tokenizer, prompts: encoded, createSession });
  const [outcome] = await evaluator.evaluate([
    Array.from({ length: decoder.shape.layers }, () => parseShorthand("none").layer),
  ]);
  expect(outcome?.correct).toEqual(usable.map(() => true));
  await evaluator.dispose();
  await decoder.dispose();
});
