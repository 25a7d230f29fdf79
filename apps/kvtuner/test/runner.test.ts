import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { layerScheme } from "@kvtuner/plan";
import { openRunner } from "kvtuner";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyModel } from "./tiny-model.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-runner-"));
const model = join(folder, "tiny.gguf");
const options = { model, plan: "per-token:K4V4+recent8", threads: 1 };

beforeAll(() => {
  writeTinyModel(model);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("generations asked for at once come one after the other, and the model is loaded once", async () => {
  const steps: number[] = [];
  const onProgress = ({ step, done }: { step: string; done?: number }): void => {
    if (step === "load") steps.push(done ?? 0);
  };
  const prompts = ["the thing", "another one", "the thing again"];
  const alone: string[] = [];
  for (const prompt of prompts) {
    const runner = await openRunner(options);
    alone.push((await runner.generate({ prompt, maxTokens: 12 })).text);
    await runner.dispose();
  }
  const runner = await openRunner({ ...options, onProgress });
  const together = await Promise.all(
    prompts.map(async (prompt) => (await runner.generate({ prompt, maxTokens: 12 })).text),
  );
  await runner.dispose();
  expect(together.slice(0, 2)).toEqual(alone.slice(0, 2));
  expect(new Set(steps).size).toBe(steps.length);
});

test("a backend of one's own holds the cache, and stays its owner's", async () => {
  const own = createReferenceBackend();
  const named = await openRunner({ ...options, backend: "cpu-reference" });
  const given = await openRunner({ ...options, backend: own });
  const expected = await named.generate({ prompt: "the thing", maxTokens: 12 });
  expect(await given.generate({ prompt: "the thing", maxTokens: 12 })).toMatchObject({
    text: expected.text,
    backend: "cpu-reference",
  });
  await Promise.all([named.dispose(), given.dispose()]);
  const cache = await own.createCache({ layers: 1, queryHeads: 1, kvHeads: 1, headSize: 16 }, planOfOne());
  expect(cache.length).toBe(0);
  await own.dispose();
});

const planOfOne = () => ({
  shape: { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 16 },
  layers: [layerScheme("per-token", { key: 4, value: 4 })],
});
