import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { evaluate, inspect, run, tune } from "kvtuner";
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
    message: expect.stringMatching(/got 20; use --backend cpu-reference, or --backend auto$/) as unknown,
  });
  expect(await run({ ...asked, backend: "auto" })).toMatchObject({ backend: "cpu-reference", finish: "length" });
  expect(await run({ ...asked, model: modelOf(16), backend: "auto" })).toMatchObject({ backend: "cpu" });
});

test("a model that was tuned is verified on the backend that runs it", async () => {
  const { verified } = await tune({
    model: modelOf(20),
    text,
    mode: "per-token",
    pairs: ["K4V4", "K2V2"],
    evaluations: 2,
    samples: 1,
    sampleLength: 48,
    out: join(folder, "verified"),
    verify: true,
    backend: "auto",
  });
  expect(verified).toMatchObject({ backend: "cpu-reference", agrees: true });
});
