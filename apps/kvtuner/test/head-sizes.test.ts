import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockFormatScheme, parseShorthand, uniformPlan, type Plan } from "@kvtuner/plan";
import { bench, evaluate, evaluateTask, inspect, run, tune } from "kvtuner";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyModel } from "./tiny-model.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-heads-"));
const text = join(folder, "text.txt");
const modelOf = (headSize: number): string => join(folder, `head-${headSize}.gguf`);

beforeAll(() => {
  for (const headSize of [16, 20]) writeTinyModel(modelOf(headSize), {}, headSize);
  writeFileSync(text, "the thing and then another thing ".repeat(40));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("heads of 16 are refused a mode with groups of 32 before any work, with the modes that they take", async () => {
  const refused = {
    code: "HEAD_TOO_SMALL",
    message: expect.stringMatching(/use mode per-token or compact$/) as unknown,
  };
  const onProgress = (): void => expect.fail("work was done");
  const model = modelOf(16);
  const out = join(folder, "study");
  await expect(tune({ model, text, mode: "kivi", out, onProgress })).rejects.toMatchObject(refused);
  expect(existsSync(out)).toBe(false);
  await expect(evaluate({ model, text, plan: "kivi:K4V2", onProgress })).rejects.toMatchObject(refused);
  await expect(run({ model, plan: "kivi:K4V2", prompt: "the", onProgress })).rejects.toMatchObject(refused);
  const report = await inspect({ target: model });
  const uniform = report.kind === "model" ? report.uniform : [];
  expect(new Set(uniform.map(({ plan }) => plan.split(":")[0]))).toEqual(new Set(["per-token", "compact"]));
});

test("heads that the CPU kernels lack are refused with the backend that has them, which auto picks", async () => {
  const asked = { model: modelOf(20), plan: "per-token:K4V4", prompt: "the thing", maxTokens: 3, threads: 1 };
  const onProgress = (): void => expect.fail("work was done");
  await expect(run({ ...asked, backend: "cpu", onProgress })).rejects.toMatchObject({
    code: "BACKEND_UNSUPPORTED_SHAPE",
    message: expect.stringMatching(/got 20 at layer 0; use --backend cpu-reference, or --backend auto$/) as unknown,
  });
  expect(await run({ ...asked, backend: "auto" })).toMatchObject({ backend: "cpu-reference", finish: "length" });
  expect(await run({ ...asked, model: modelOf(16), backend: "auto" })).toMatchObject({ backend: "cpu" });
});

/** A plan of a codec that the CPU kernels lack, for heads of 16. */
const lackedPlan = (): Plan => {
  const nvfp4 = blockFormatScheme("nvfp4");
  const layer = { ...parseShorthand("per-token:K4V4").layer, key: nvfp4, value: nvfp4 };
  const shape = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 16 };
  return uniformPlan({ name: "tiny", architecture: "llama" }, shape, layer);
};

test.each([
  [20, ["per-token:K4V4"], "BACKEND_UNSUPPORTED_SHAPE"],
  [16, ["per-token:K4V4", lackedPlan()], "BACKEND_UNSUPPORTED_SCHEME"],
])("a benchmark of heads of %i runs on the backend that has all plans", async (headSize, plans, code) => {
  const asked = { model: modelOf(headSize), plans, contexts: [33], rounds: 1, tokens: 1, float: false, threads: 1 };
  const onProgress = (): void => expect.fail("work was done");
  await expect(bench({ ...asked, backend: "cpu", onProgress })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/; use --backend cpu-reference, or --backend auto$/) as unknown,
  });
  const { backend, contexts } = await bench({ ...asked, backend: "auto" });
  expect(backend).toBe("cpu-reference");
  expect(contexts[0]?.variants).toHaveLength(plans.length);
});

test("numbers are generated under plans that the CPU kernels lack", async () => {
  const task = join(folder, "numbers.jsonl");
  writeFileSync(task, JSON.stringify({ prompt: "the thing and", answer: "3", compare: "number" }));
  for (const plan of ["per-token:K4V4", lackedPlan()]) {
    const asked = { model: modelOf(16), task, plan, maxTokens: 3 };
    expect(await evaluateTask(asked)).toMatchObject({ correct: [expect.any(Boolean)] });
  }
});

test("a model with heads that the CPU kernels lack is verified on the backend that has them", async () => {
  const asked = {
    model: modelOf(20),
    text,
    mode: "per-token",
    pairs: ["K4V4", "K2V2"],
    evaluations: 2,
    samples: 1,
    sampleLength: 48,
    out: join(folder, "verified"),
    verify: true,
  } as const;
  const onProgress = (): void => expect.fail("work was done");
  await expect(tune({ ...asked, backend: "cpu", onProgress })).rejects.toMatchObject({
    message: expect.stringMatching(/; use --backend cpu-reference, or --backend auto$/) as unknown,
  });
  const { verified } = await tune({ ...asked, backend: "auto" });
  expect(verified).toMatchObject({ backend: "cpu-reference", agrees: true });
});
