import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { embeddedModelUrl, embeddedTasks, type EmbeddedTask } from "@kvtuner/embedded-model";
import { afterAll, expect, test } from "vitest";

import { openTaskScorer } from "../src/evaluate-task.ts";
import { openModel } from "../src/model/open.ts";
import type { Progress } from "../src/progress.ts";
import { tune } from "../src/tune.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-embedded-tasks-"));
const model = await openModel(fileURLToPath(embeddedModelUrl), { progress: () => undefined, warn: () => undefined });
const files = (...names: EmbeddedTask[]): string[] => names.map((name) => fileURLToPath(embeddedTasks[name]));

afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

test(
  "8-bit keys keep the float cache's answers, two bits lose more than half of them",
  { timeout: 60_000 },
  async () => {
    const scorer = await openTaskScorer({ model, task: files("recall-24", "chain-10"), prompts: 20 });
    const [fine, coarse] = [await scorer.score("per-token:K8V4"), await scorer.score("per-token:K2V2")];
    await scorer.dispose();
    expect(fine.floatAccuracy).toBeGreaterThan(0.9);
    expect(fine.pValue).toBeGreaterThan(0.05);
    expect(coarse.accuracy).toBeLessThan(fine.floatAccuracy / 2);
    expect(coarse.pValue).toBeLessThan(1e-6);
    expect(coarse.kl).toBeGreaterThan(50 * fine.kl);
  },
);

test(
  "the paper's setting: accuracy against bits by NSGA-II over groups, within 3 bits, stopped and resumed",
  { timeout: 300_000 },
  async () => {
    const task = files("chain-4", "copy");
    const out = join(folder, "study");
    const options = {
      model,
      out,
      task,
      prompts: 15,
      mode: "per-token",
      pairs: ["K4V4", "K4V2", "K2V2"],
      strategy: "nsga2-groups",
      cost: "equivalent",
      limit: { kind: "equivalent-bits", bits: 3 },
      evaluations: 12,
    } as const;
    const stop = new AbortController();
    const onProgress = ({ step, done }: Progress): void => {
      if (step === "search" && done > 4) stop.abort(new Error("enough"));
    };
    await expect(tune({ ...options, onProgress, signal: stop.signal })).rejects.toThrow("enough");
    const { picked, front } = await tune(options);
    expect(front).toContainEqual(picked);
    expect(picked.equivalentBits).toBeLessThanOrEqual(3);
    expect(picked.task).toMatchObject({ prompts: 30, isComplete: true });

    const scorer = await openTaskScorer({ model, task, prompts: 15 });
    const [same, uniform] = [await scorer.score(join(out, "plan.json")), await scorer.score("per-token:K2V4")];
    await scorer.dispose();
    expect(same.accuracy).toBe(picked.task?.accuracy);
    expect(same.difference).toBeGreaterThan(uniform.difference + 2 * uniform.standardError);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain('id="accuracy"');
  },
);
