import { cpSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EncodedPrompt, TaskEvaluator } from "@kvtuner/evaluation";
import { parsePlan } from "@kvtuner/plan/files";
import type { TaskSettings } from "@kvtuner/tuning";
import { describe, expect, test } from "vitest";
import { evaluateTask, openTaskScorer } from "./evaluate.ts";
import type { TuneOptions } from "./options.ts";
import { fakeModel, type FakeModel } from "./test-support/fake-model.ts";
import { tune, type TuneResult } from "./tune.ts";

const PROMPTS = 120;
const folder = mkdtempSync(join(tmpdir(), "kvtuner-tune-task-"));
let folders = 0;
const newFolder = (): string => join(folder, `study-${folders++}`);

const writeTask = (name: string, lines: readonly unknown[]): string => {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => JSON.stringify(line)).join("\n"));
  return path;
};
const task = writeTask(
  "task.jsonl",
  Array.from({ length: PROMPTS }, (_, index) => ({
    prompt: `what is ${index} and so on and on?`,
    answer: `${index}`,
    compare: "exact",
  })),
);

const OPTIONS = {
  task,
  pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"],
  evaluations: 24,
  measure: "kl",
  mode: "per-token",
} as const satisfies Partial<TuneOptions>;

const withoutTimes = ({ timeMs: _, out: __, ...result }: TuneResult): Omit<TuneResult, "timeMs" | "out"> => result;

describe("tune with a task", () => {
  test.each(["surrogate", "nsga2-groups", "nsga2", "moead"] as const)(
    "%s, stopped anywhere and run again, gives the front of an uninterrupted run and evaluates nothing twice",
    async (strategy) => {
      const options = { ...OPTIONS, strategy, objective: "both", limit: { kind: "equivalent-bits", bits: 5 } } as const;
      const whole = fakeModel();
      const expected = withoutTimes(await tune({ model: whole, out: newFolder(), ...options }));
      const out = newFolder();
      let answered = 0;
      for (const stop of [1, 7, 27, 3, 11, 2, 9]) {
        const model = fakeModel((count) => {
          if (count === stop) throw new Error("killed");
        });
        await expect(tune({ model, out, ...options })).rejects.toThrow("killed");
        answered += model.answered();
      }
      const last = fakeModel();
      expect(withoutTimes(await tune({ model: last, out, ...options }))).toEqual(expected);
      expect(answered + last.answered()).toBe(whole.answered());

      const again = fakeModel();
      expect((await tune({ model: again, out, ...options })).front).toEqual(expected.front);
      expect(again.answered()).toBe(0);
    },
  );

  test("a study that is done, stopped anywhere under another limit, ends with the plan of one that was not", async () => {
    const finished = newFolder();
    const options = { ...OPTIONS, evaluations: 16 };
    await tune({ model: fakeModel(), out: finished, ...options, limit: { kind: "equivalent-bits", bits: 4 } });
    const run = async (model: FakeModel, out: string): Promise<TuneResult> =>
      tune({ model, out, ...options, limit: { kind: "equivalent-bits", bits: 3.1 } });
    const copy = (): string => {
      const out = newFolder();
      cpSync(finished, out, { recursive: true });
      return out;
    };
    const whole = fakeModel();
    const expected = withoutTimes(await run(whole, copy()));
    // Of two plans at least, in four rounds.
    for (const stop of [1, 2, 4, 5]) {
      const out = copy();
      const killed = fakeModel((count) => {
        if (count === stop) throw new Error("killed");
      });
      await expect(run(killed, out)).rejects.toThrow("killed");
      const last = fakeModel();
      expect(withoutTimes(await run(last, out)), `stopped after ${stop}`).toEqual(expected);
      expect(killed.answered() + last.answered()).toBe(whole.answered());
    }
  });

  test("the surrogate's plans are evaluated for another strategy only where it left none within the limit", async () => {
    const run = async (evaluations: number, model = fakeModel(), out = newFolder()): Promise<TuneResult> =>
      tune({
        model,
        out,
        ...OPTIONS,
        evaluations,
        strategy: "nsga2-groups",
        limit: { kind: "equivalent-bits", bits: 3.1 },
      });
    expect((await run(12)).evaluations).toBe(12);

    const whole = await run(1);
    expect(whole.evaluations).toBeGreaterThan(1);
    expect(whole.picked.equivalentBits).toBeLessThanOrEqual(3.1);
    const profiled = 5 * OPTIONS.pairs.length;
    const killed = fakeModel((count) => {
      if (count === profiled + 5) throw new Error("killed");
    });
    const out = newFolder();
    await expect(run(1, killed, out)).rejects.toThrow("killed");
    expect(withoutTimes(await run(1, fakeModel(), out))).toEqual(withoutTimes(whole));
  });

  test("the journal says which plans were given up; one of an earlier version, which does not, ends with the same", async () => {
    const out = newFolder();
    const journal = join(out, "journal.jsonl");
    const run = async (): Promise<Omit<TuneResult, "timeMs" | "out">> =>
      withoutTimes(await tune({ model: fakeModel(), out, ...OPTIONS, strategy: "nsga2" }));
    const expected = await run();
    const lines = readFileSync(journal, "utf8").split(/(?<=\n)/);
    const earlier = lines.filter((line) => !line.includes("isGivenUp"));
    expect(earlier.length).toBeLessThan(lines.length);
    expect(await run()).toEqual(expected);
    expect(readFileSync(journal, "utf8")).toBe(lines.join(""));

    writeFileSync(journal, earlier.join(""));
    expect(await run()).toEqual(expected);
    expect(
      readFileSync(journal, "utf8")
        .split(/(?<=\n)/)
        .toSorted(),
    ).toEqual(lines.toSorted());
  });

  test("gives up plans early, and keeps only those that answered every prompt on the front", async () => {
    const model = fakeModel();
    const out = newFolder();
    const { front, picked, evaluations } = await tune({ model, out, ...OPTIONS, strategy: "nsga2" });
    expect(evaluations).toBe(24);
    const profiled = 5 * OPTIONS.pairs.length * 50;
    expect(model.answered() - profiled).toBeLessThan(0.9 * 24 * PROMPTS);
    for (const plan of front) expect(plan.task).toMatchObject({ prompts: PROMPTS, isComplete: true });
    expect(front).toContainEqual(picked);
    const best = Math.max(...front.map((plan) => plan.task?.accuracy ?? 0));
    expect(picked.task?.accuracy).toBeGreaterThan(best - 0.06);
    const { measured } = parsePlan(readFileSync(join(out, "plan.json"), "utf8"));
    expect(measured).toMatchObject({
      kl: picked.kl,
      text: expect.stringMatching(/^answers to 120 prompts of task\.jsonl/),
    });

    const plan = join(out, "plan.json");
    expect(await evaluateTask({ model, plan, task })).toMatchObject({
      accuracy: picked.task?.accuracy,
      accuracyStandardError: picked.task?.accuracyStandardError,
      floatAccuracy: picked.task?.floatAccuracy,
      pValue: picked.task?.pValue,
      kl: picked.kl,
      bits: picked.bits,
    });
  });

  test("of several files asks a prompt of each in turn, and names all of them", async () => {
    const lines = [0, 1, 2].map((index) => ({ prompt: `other ${index}`, answer: "yes", compare: "exact" }));
    const files = [writeTask("other.jsonl", lines), OPTIONS.task];
    const { tasks } = await evaluateTask({ model: fakeModel(), plan: "per-token:K2V2", task: files, prompts: 5 });
    expect(tasks.map(({ task: name, prompts }) => [name, prompts])).toEqual([
      ["other.jsonl", 3],
      ["task.jsonl", 5],
    ]);
    const out = newFolder();
    const { picked } = await tune({ model: fakeModel(), out, ...OPTIONS, task: files, prompts: 5, evaluations: 4 });
    expect(picked.task?.prompts).toBe(8);
    expect(readFileSync(join(out, "plan.json"), "utf8")).toContain("8 prompts of other.jsonl and task.jsonl");
    const swapped = tune({ model: fakeModel(), out, ...OPTIONS, task: files.toReversed(), prompts: 5, evaluations: 4 });
    await expect(swapped).rejects.toMatchObject({ code: "STUDY_DIFFERS", message: expect.stringContaining("--task") });
  });

  test("by KL of the answers asks every plan everything", async () => {
    const model = fakeModel();
    const { front, picked } = await tune({ model, out: newFolder(), ...OPTIONS, objective: "kl", prompts: 30 });
    expect(model.answered()).toBe((5 * OPTIONS.pairs.length + 24) * 30);
    for (const [index, plan] of front.entries()) expect(plan.kl).toBeLessThan(front[index - 1]?.kl ?? Infinity);
    expect(picked.task?.prompts).toBe(30);
  });

  test("limits are kept to, the paper's bits too", async () => {
    const limit = { kind: "equivalent-bits", bits: 4 } as const;
    const { picked } = await tune({
      model: fakeModel(),
      out: newFolder(),
      ...OPTIONS,
      strategy: "nsga2-groups",
      limit,
    });
    expect(picked.equivalentBits).toBeLessThanOrEqual(4);
    const impossible = tune({ model: fakeModel(), out: newFolder(), ...OPTIONS, limit: { ...limit, bits: 1.5 } });
    await expect(impossible).rejects.toMatchObject({
      code: "BUDGET_TOO_SMALL",
      message: expect.stringContaining("1.5 equivalent bits"),
    });
  });

  test("another task, or other prompts, are another study", async () => {
    const out = newFolder();
    await tune({ model: fakeModel(), out, ...OPTIONS, evaluations: 3, prompts: 30 });
    const other = tune({ model: fakeModel(), out, ...OPTIONS, evaluations: 3, prompts: 40, shots: 1 });
    await expect(other).rejects.toMatchObject({
      code: "STUDY_DIFFERS",
      message: expect.stringMatching(
        /prompts of all files \(--prompts is of each\) 30 there, 40 now.*--shots 0 there, 1 now/,
      ),
    });
    const onText = tune({ model: fakeModel(), out, ...OPTIONS, task: writeTask("copy.jsonl", []) });
    await expect(onText).rejects.toMatchObject({ code: "TASK_EMPTY" });
  });

  /** A model whose float cache answers so many prompts right. */
  const answering = (right: number): FakeModel => {
    const model = fakeModel();
    const evaluator = async (prompts: readonly EncodedPrompt[], settings: TaskSettings): Promise<TaskEvaluator> => ({
      ...(await model.tasks!.evaluator(prompts, settings)),
      float: async ({ start = 0, end = Infinity } = {}) => {
        const places = Array.from({ length: Math.min(end, prompts.length) - start }, (_, index) => start + index);
        return { correct: places.map((place) => place < right), kl: places.map(() => 0) };
      },
    });
    return { ...model, tasks: { ...model.tasks!, evaluator } };
  };

  test("a task that the model cannot do is refused before a study is begun, and what to do is said", async () => {
    for (const right of [0, 1]) {
      const [model, out] = [answering(right), newFolder()];
      await expect(tune({ model, out, ...OPTIONS })).rejects.toMatchObject({
        code: "TASK_UNANSWERED",
        message: expect.stringMatching(new RegExp(`answers ${right} of 120 right, .*"compare": "exact" need a "stop"`)),
      });
      expect(model.answered()).toBe(0);
      expect(existsSync(out)).toBe(false);
    }
    await tune({ model: answering(12), out: newFolder(), ...OPTIONS, evaluations: 2 });
  });

  test("where KL decides, or plans are only judged, it is warned of", async () => {
    const warnings: string[] = [];
    const onWarning = (text: string): unknown => warnings.push(text);
    const model = answering(0);
    await tune({ model, out: newFolder(), ...OPTIONS, objective: "kl", evaluations: 2, onWarning });
    const expected = expect.stringMatching(/^task\.jsonl: the float cache answers 0 of 120 right, so its accuracy /);
    expect(warnings).toEqual([expected]);
    const scorer = await openTaskScorer({ model, task, onWarning });
    for (const plan of ["none", "per-token:K2V2"]) await scorer.score(plan);
    await scorer.dispose();
    expect(warnings).toEqual([expected, expected]);
  });

  test("fewer than 25 prompts are warned of", async () => {
    const warnings: string[] = [];
    const onWarning = (text: string): unknown => warnings.push(text);
    await evaluateTask({ model: fakeModel(), plan: "none", task, prompts: 25, onWarning });
    expect(warnings).toEqual([]);
    await evaluateTask({ model: fakeModel(), plan: "none", task, prompts: 24, onWarning });
    await tune({ model: fakeModel(), out: newFolder(), ...OPTIONS, prompts: 24, evaluations: 2, onWarning });
    expect(warnings).toEqual([1, 2].map(() => expect.stringMatching(/^24 prompts are too few /)));
  });

  test("examples that a chat template leaves out are warned of", async () => {
    const { tasks, ...rest } = fakeModel();
    const tokenizer = { ...tasks!.tokenizer, chatPrompt: () => "?" };
    const model = { ...rest, tasks: { ...tasks!, tokenizer } };
    const warnings: string[] = [];
    const onWarning = (text: string): unknown => warnings.push(text);
    await evaluateTask({ model, plan: "none", task, prompts: 30, shots: 1, chat: true, onWarning });
    expect(warnings).toEqual([expect.stringContaining("drops examples from the prompts of")]);
  });

  test.each([
    [
      "a broken line",
      (): string => writeTask("broken.jsonl", [{ prompt: "a", answer: "b", compare: "exact" }, { prompt: "c" }]),
      {},
      "TASK_LINE",
      /line 2/,
    ],
    [
      "an answer longer than the context",
      (): string => writeTask("long.jsonl", [{ prompt: "a", answer: "b".repeat(300), compare: "exact" }]),
      {},
      "TASK_TOO_LONG",
      /200 tokens, got 301 tokens in line 1 of .*long\.jsonl/,
    ],
    ["more examples than lines", (): string => task, { shots: PROMPTS }, "TASK_SHOTS", /120/],
    ["no whole number of prompts", (): string => task, { prompts: 0 }, "OPTION_INVALID", /--prompts/],
    ["a file that is not there", (): string => "/nowhere/task.jsonl", {}, "TEXT_UNREADABLE", /nowhere/],
  ] as const)(
    "%s is an error before anything is evaluated, and leaves no study",
    async (_, file, more, code, words) => {
      const model = fakeModel();
      const out = newFolder();
      const error = { code, message: expect.stringMatching(words) };
      await expect(tune({ model, out, ...OPTIONS, task: file(), ...more })).rejects.toMatchObject(error);
      await expect(evaluateTask({ model, plan: "none", task: file(), ...more })).rejects.toMatchObject(error);
      expect(model.answered()).toBe(0);
      expect(existsSync(out)).toBe(false);
    },
  );

  test("an objective that needs a task, and a model that has none, are refused", async () => {
    const alone = tune({ model: fakeModel(), out: newFolder(), objective: "task" });
    await expect(alone).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("--objective"),
    });
    const { tasks: _, ...mute } = fakeModel();
    await expect(tune({ model: mute, out: newFolder(), ...OPTIONS })).rejects.toMatchObject({ code: "MODEL_NO_TASKS" });
  });
});
