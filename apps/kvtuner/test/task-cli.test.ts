import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const { folder, model, start } = useCli();

const kvtuner = async (argv: readonly string[], input = ""): Promise<Finished> => start(argv, input).finished;

const taskFile = (name: string, lines: readonly unknown[]): string => {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
};

const exact = (answer: string): unknown => ({ prompt: `the fox ${answer}`, answer, compare: "exact", stop: "\n" });
const CHOICES = ["yes", "no", "may be"];
const choice = (prompt: string, answer: string): unknown => ({ prompt, answer, compare: "choice", choices: CHOICES });
const mixed = taskFile("mixed.jsonl", [
  ...["a", "bc", "the", "x"].map(exact),
  { question: "How many?", answer: "Two and two.\n#### 4" },
  ...CHOICES.map((answer) => choice(`Is it ${answer}?`, answer)),
]);

/** Few prompts, and a model of random weights: both are warned of, file by file. */
const WARNINGS =
  /^warning: \d+ prompts are too few .*\n(warning: \w+\.jsonl: the float cache answers \d of \d right.*\n)*$/;

/** A task of which the model answers all but five right: of each question, the choice that it makes. */
const ableTask = async (): Promise<string> => {
  const lines = Array.from({ length: 30 }, (_, index) => CHOICES.map((answer) => choice(`Is it ${index}?`, answer)));
  const all = taskFile("all.jsonl", lines.flat());
  const { stdout } = await kvtuner(["eval", model, "--task", all, "--plan", "none", "--json", "--quiet"]);
  const { floatCorrect } = JSON.parse(stdout) as { readonly floatCorrect: readonly boolean[] };
  const others = ["a", "bc", "the", "x"].map(exact);
  const right = lines.flat().filter((_, index) => floatCorrect[index]);
  return taskFile("able.jsonl", [...right, ...others, { question: "How many?", answer: "Two and two.\n#### 4" }]);
};

test("eval --task: figures beside the float cache's; none is as good as it is, and a stream answers a plan a line", async () => {
  const argv = ["eval", model, "--task", mixed, "--max-tokens", "8", "--shots", "1", "--quiet"];
  const { stdout, stderr, code } = await kvtuner([...argv, "--plan", "none", "--json"]);
  expect({ stderr, code }).toEqual({ stderr: expect.stringMatching(WARNINGS), code: 0 });
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ prompts: 7, difference: 0, pValue: 1, bits: 16, gained: 0, lost: 0 });
  expect(result.correct).toEqual(result.floatCorrect);
  expect(result.accuracy).toBe(result.floatAccuracy);
  expect(result.kl).toBeLessThan(1e-5);

  const shown = await kvtuner([...argv, "--plan", "per-token:K2V2", "--chat", "--prompts", "4"]);
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/McNemar's p +1\b/) });
  const streamed = await kvtuner([...argv, "--stream"], "none\nper-token:K9V9\nper-token:K2V2\n");
  const lines = streamed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { accuracy: result.accuracy },
    { error: { code: "PLAN_UNKNOWN_PAIR" } },
    { prompts: 7 },
  ]);
  expect(lines[2].kl).toBeGreaterThan(result.kl);
});

test("eval of several plans on several files: a plan a column, a file a row, and all prompts together", async () => {
  const other = taskFile("other.jsonl", [exact("a"), exact("b")]);
  const argv = ["eval", model, "--plan", "none,per-token:K2V2", "--task", `${other},${mixed}`, "--max-tokens", "4"];
  const { stdout, stderr, code } = await kvtuner([...argv, "--quiet"]);
  expect({ stderr, code }).toEqual({ stderr: expect.stringMatching(WARNINGS), code: 0 });
  expect(stdout).toMatch(/^plan +none +per-token:K2V2$/m);
  for (const title of ["other.jsonl (2; float cache", "mixed.jsonl (8; float cache", "accuracy", "difference"])
    expect(stdout.split("\n").filter((line) => line.startsWith(title))).toHaveLength(1);
  expect(stdout).toMatch(/^prompts +10 +10$/m);
  const shown = await kvtuner([...argv, "--json"]);
  expect(shown.stderr).toMatch(/^evaluating plan 20\/20$/m);
  const [none, two] = JSON.parse(shown.stdout);
  expect([none.plan, two.plan]).toEqual(["none", "per-token:K2V2"]);
  expect(two.tasks.map(({ task, prompts }: { task: string; prompts: number }) => [task, prompts])).toEqual([
    ["other.jsonl", 2],
    ["mixed.jsonl", 8],
  ]);
  const right = two.tasks.reduce(
    (sum: number, { accuracy, prompts }: { accuracy: number; prompts: number }) => sum + accuracy * prompts,
    0,
  );
  expect(right / 10).toBeCloseTo(two.accuracy, 12);
});

test(
  "tune --task: a study whose plan evaluates to the same figures, run on the kernels too",
  { timeout: 300_000 },
  async () => {
    const out = join(folder, "study");
    const able = await ableTask();
    const argv = ["tune", model, "--task", able, "--max-tokens", "4", "--objective", "both", "--out", out, "--quiet"];
    const search = ["--mode", "per-token", "--pairs", "K8V8,K4V4,K2V2", "--evaluations", "6", "--context", "256"];
    const limited = [...argv, ...search, "--strategy", "nsga2-groups", "--equivalent-bits", "6"];
    const tuned = await kvtuner([...limited, "--verify", "--json"]);
    expect(tuned).toMatchObject({ code: 0, stderr: "" });
    const { picked, front, verified } = JSON.parse(tuned.stdout);
    expect(front).toContainEqual(picked);
    expect(picked.equivalentBits).toBeLessThanOrEqual(6);
    expect(verified.agrees).toBe(true);
    const evaluated = ["eval", model, "--task", able, "--max-tokens", "4", "--plan", join(out, "plan.json"), "--quiet"];
    const { accuracy, kl } = JSON.parse((await kvtuner([...evaluated, "--json"])).stdout);
    expect(accuracy).toBe(picked.task.accuracy);
    expect(kl / picked.kl).toBeCloseTo(1, 4);
    const page = await kvtuner(["report", out, "--json"]);
    expect(page).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(JSON.parse(page.stdout).page, "utf8")).toContain(`--task ${able}`);
    expect((await kvtuner(limited)).stdout).toMatch(/^picked: .* accuracy \S+ \+- \S+ on 35 prompts \(float cache /m);
  },
);

test("bad input is refused in one line that says which line of the file, and what was expected", async () => {
  const tune = async (task: string, ...argv: string[]): Promise<Finished> =>
    kvtuner(["tune", model, "--task", task, "--out", join(folder, "bad"), "--quiet", "--json", ...argv]);
  const broken = taskFile("broken.jsonl", [exact("a"), { prompt: "b", answer: 4, compare: "exact" }]);
  const long = taskFile("long.jsonl", [exact("a"), exact("b".repeat(600))]);
  const cases: [Promise<Finished>, RegExp][] = [
    [tune(broken), /^error \[TASK_LINE\]: expected .*broken\.jsonl.* line 2 has at answer: .*expected string.*\n$/],
    [tune(long), /^error \[TASK_TOO_LONG\]: expected .*512 tokens, got 1207 tokens in line 2 of .*long\.jsonl .*\n$/],
    [tune(taskFile("empty.jsonl", [])), /^error \[TASK_EMPTY\]: expected at least one prompt in .*empty\.jsonl.*\n$/],
    [
      tune(`${mixed},${mixed}`),
      /^error \[OPTION_INVALID\]: expected --task to be files that all differ, got .*twice\n$/,
    ],
    [
      tune(`${mixed},${folder}/./mixed.jsonl`),
      /^error \[OPTION_INVALID\]: expected --task to be files that all differ, got .* and .*, one file twice\n$/,
    ],
    [tune(`${mixed},`), /^error \[USAGE\]: .*--task.* expected no empty item between commas, got ".*,"\n$/],
    [tune(mixed, "--objective", "speed"), /^error \[USAGE\]: .*--objective/],
    [
      kvtuner(["tune", model, "--objective", "task", "--quiet"]),
      /^error \[OPTION_INVALID\]: expected --objective to be kl/,
    ],
    [
      kvtuner(["eval", model, "--plan", "none", "--prompts", "3", "--shots", "2"]),
      /^error \[OPTION_INVALID\]: expected --prompts to be given with --task, .*got 3 alone\n$/,
    ],
    [
      kvtuner(["tune", model, "--chat", "--quiet"]),
      /^error \[OPTION_INVALID\]: expected --chat to be given with --task/,
    ],
    ...["--text", "--samples", "--sample-length"].map((option): [Promise<Finished>, RegExp] => [
      kvtuner(["eval", model, "--plan", "none", "--task", mixed, option, "3"]),
      new RegExp(`^error \\[USAGE\\]: .*${option} .*cannot be used with .*--task`),
    ]),
  ];
  for (const [finished, message] of cases) {
    expect(await finished).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
  }
});
