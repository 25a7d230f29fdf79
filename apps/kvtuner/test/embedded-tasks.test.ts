import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTasks, embeddedTexts, type EmbeddedTask } from "@kvtuner/embedded-model";
import { parsePlan } from "@kvtuner/plan/files";
import type { Progress } from "@kvtuner/tuning";
import { afterAll, expect, test } from "vitest";
import { openPlanScorer, openRetrievalScorer, openTaskScorer } from "../src/evaluate.ts";
import { openModel } from "../src/model/open.ts";
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

test("retrieval: the float cache finds what two bits lose, cell by cell", { timeout: 60_000 }, async () => {
  const sizes = { lengths: [128, 256], depths: [100, 50], perCell: 6 };
  const scorer = await openRetrievalScorer({ model, retrieval: ["key-value"], ...sizes });
  const { cells, ...result } = await scorer.score("per-token:K2V2");
  await scorer.dispose();
  expect(cells.map(({ tokens, depth }) => [tokens, depth])).toEqual([
    [128, 0.5],
    [128, 1],
    [256, 0.5],
    [256, 1],
  ]);
  expect(result.floatAccuracy).toBeGreaterThan(0.8);
  expect(result.accuracy).toBeLessThan(result.floatAccuracy - 0.2);
  const mean = (of: "accuracy" | "floatAccuracy"): number =>
    cells.reduce((sum, cell) => sum + cell[of] / cells.length, 0);
  expect([mean("accuracy"), mean("floatAccuracy")]).toEqual([
    expect.closeTo(result.accuracy, 9),
    expect.closeTo(result.floatAccuracy, 9),
  ]);
});

test.each([
  [{ retrieval: ["needle"] }, "OPTION_INVALID", /--retrieval .*passkey.*"needle"/],
  [{ retrieval: ["passkey"], depths: [101] }, "OPTION_INVALID", /--depths .*from 0 to 100, got 101/],
  [{ retrieval: ["passkey"], lengths: [] }, "OPTION_INVALID", /--lengths .*at least one/],
  [{ retrieval: ["passkey"], lengths: [20] }, "RETRIEVAL_TOO_SHORT", /passkey.* 20 tokens/],
  [{ retrieval: ["key-value"], lengths: [4096] }, "TASK_TOO_LONG", /4096/],
] as const)("retrieval %j is an error before anything is evaluated", async (options, code, words) => {
  await expect(openRetrievalScorer({ model, ...options })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(words) as unknown,
  });
});

test("the float cache answers 95% of what the model was trained for", { timeout: 120_000 }, async () => {
  const scorer = await openTaskScorer({ model, task: files("recall-24", "chain-10", "copy"), prompts: 100 });
  const { tasks } = await scorer.score("none");
  await scorer.dispose();
  for (const { task, accuracy } of tasks) expect(accuracy, `of ${task}`).toBeGreaterThanOrEqual(0.95);
});

test("the demo's plan keeps answers that as many bits lose otherwise", { timeout: 300_000 }, async () => {
  const limit = { kind: "equivalent-bits", bits: 3 } as const;
  const out = join(folder, "demo");
  const text = fileURLToPath(embeddedTexts.calibration);
  const { picked } = await tune({ model, text, out, mode: "per-token", samples: 4, evaluations: 40, limit });
  expect(picked.equivalentBits).toBeLessThanOrEqual(3);

  const scorer = await openTaskScorer({
    model,
    task: files(...(Object.keys(embeddedTasks) as EmbeddedTask[])),
    prompts: 30,
  });
  const plan = parsePlan(readFileSync(join(out, "plan.json"), "utf8"));
  const tuned = await scorer.score(plan);
  const shuffled = await scorer.score({ ...plan, layers: plan.layers.toReversed() });
  await scorer.dispose();
  expect(tuned.difference).toBeGreaterThan(-0.03);
  expect(tuned.difference).toBeGreaterThan(shuffled.difference + 2 * shuffled.standardError);

  const onText = await openPlanScorer({ model, text: fileURLToPath(embeddedTexts.evaluation), samples: 16 });
  const { kl } = await onText.score(plan);
  // Of 60 samples the ratios are 0.37, 0.70 and 0.05.
  for (const [pair, share] of [
    ["K4V2", 0.5],
    ["K3V3", 0.9],
    ["K2V4", 0.1],
  ] as const) {
    const uniform = await onText.score(`per-token:${pair}`);
    expect(kl / uniform.kl, `beside ${pair}`).toBeLessThan(share);
  }
  await onText.dispose();
});

test(
  "lines of GSM8K, which this model cannot answer: 0 right is told as such, and not tuned by",
  { timeout: 60_000 },
  async () => {
    const task = join(folder, "gsm8k.jsonl");
    const lines = [
      { question: "Ann has 3 apples and buys 4 more. How many has she?", answer: "3+4=<<3+4=7>>7\n#### 7" },
      {
        question: "A box holds 12 eggs. How many do 100 boxes hold?",
        answer: "12*100=<<12*100=1200>>1200\n#### 1,200",
      },
    ];
    writeFileSync(task, lines.map((line) => JSON.stringify(line)).join("\n"));
    const warnings: string[] = [];
    const onWarning = (text: string): unknown => warnings.push(text);
    const scorer = await openTaskScorer({ model, task, maxTokens: 24, onWarning });
    const { accuracy, floatAccuracy, correct, kl } = await scorer.score("per-token:K8V4");
    await scorer.dispose();
    expect({ accuracy, floatAccuracy, correct }).toEqual({ accuracy: 0, floatAccuracy: 0, correct: [false, false] });
    expect(kl).toBeGreaterThan(0);
    expect(warnings).toEqual([
      expect.stringMatching(/^2 prompts are too few/),
      expect.stringMatching(/^gsm8k\.jsonl: the float cache answers 0 of 2 right/),
    ]);
    const tuned = tune({ model, task, maxTokens: 24, out: join(folder, "gsm8k-study") });
    await expect(tuned).rejects.toMatchObject({ code: "TASK_UNANSWERED" });
    expect(existsSync(join(folder, "gsm8k-study"))).toBe(false);
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
