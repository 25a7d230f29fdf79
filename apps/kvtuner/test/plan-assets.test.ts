import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { type Asset, type Plan, uniformPlan } from "@kvtuner/plan";
import { evaluate, evaluateTask, openModel } from "kvtuner";
import { afterAll, expect, test } from "vitest";
import { levelLayer, tableOf, useLevelCodec } from "../../../packages/backend-cpu/src/test-support/level-codec.ts";
import { writeTinyModel } from "./tiny-model.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-assets-"));
const path = join(folder, "model.gguf");
const text = join(folder, "text.txt");
const task = join(folder, "task.jsonl");

useLevelCodec();
writeTinyModel(path);
writeFileSync(text, "the thing and then another thing ".repeat(40));
const prompts = [
  { prompt: "the thing and then another", answer: "thing", compare: "exact" },
  { prompt: "the thing and", answer: "3", compare: "number" },
];
writeFileSync(task, prompts.map((prompt) => JSON.stringify(prompt)).join("\n"));
const model = await openModel(path, { progress: () => undefined, warn: () => undefined });

afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const planWith = (...assets: readonly Asset[]): Plan => ({
  ...uniformPlan(model.identity, model.shape, levelLayer("levels")),
  assets,
});

test("a plan is scored with its assets, as a runtime stores it", async () => {
  const samples = [Int32Array.from({ length: 40 }, (_, index) => (index * 13 + 5) % 250)];
  const evaluator = await model.evaluator(samples);
  const backend = createReferenceBackend();
  const plans = [1, 3].map((power) => planWith(tableOf("levels", power)));
  const losses: number[] = [];
  for (const plan of plans) {
    const [score] = await evaluator.evaluate([plan.layers], { assets: plan.assets });
    const { kl } = await evaluator.scoreRuntime(async () => backend.createCache(model.shape, plan));
    expect(Math.abs(score!.kl / kl - 1)).toBeLessThan(1e-2);
    losses.push(kl);
  }
  // The tables differ more than evaluator and runtime do.
  expect(Math.abs(losses[0]! / losses[1]! - 1)).toBeGreaterThan(0.1);
  await evaluator.dispose();
});

test("texts and tasks are scored with the plan's assets, and refused without them", async () => {
  const asked = { model, samples: 1, sampleLength: 48 };
  const onTask = { model, task, maxTokens: 3 };
  const [even, dense] = [1, 3].map((power) => planWith(tableOf("levels", power))) as [Plan, Plan];
  expect((await evaluate({ ...asked, text, plan: even })).kl).not.toBe(
    (await evaluate({ ...asked, text, plan: dense })).kl,
  );
  expect((await evaluateTask({ ...onTask, plan: even })).kl).not.toBe(
    (await evaluateTask({ ...onTask, plan: dense })).kl,
  );
  const refused = { code: "PLAN_ASSET_UNKNOWN" };
  await expect(evaluate({ ...asked, text, plan: planWith() })).rejects.toMatchObject(refused);
  await expect(evaluateTask({ ...onTask, plan: planWith() })).rejects.toMatchObject(refused);
});
