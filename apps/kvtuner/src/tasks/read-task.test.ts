import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openTask } from "@kvtuner/tuning";
import { afterAll, expect, test } from "vitest";
import { fakeModel } from "../test-support/fake-model.ts";
import { readTask } from "./read-task.ts";
import { assertNoTaskOptions } from "./read-task.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-open-task-"));
const file = join(folder, "task.jsonl");
writeFileSync(file, JSON.stringify({ prompt: "a", answer: "b", compare: "exact" }));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a file given twice is rejected, however its path is spelled", () => {
  const link = join(folder, "link.jsonl");
  symlinkSync(file, link);
  for (const other of [file, `${folder}/./task.jsonl`, link])
    expect(() => readTask({ task: [file, other] })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(/--task .*twice/) }),
    );
});

test("a file of examples without a number of examples is rejected", () => {
  expect(() => readTask({ task: file, shotsFrom: file })).toThrow(/--shots-from to be used with --shots/);
});

test("of a file that is both task and examples, the examples are not evaluated", () => {
  const lines = [0, 1, 2, 3, 4].map((index) => ({ prompt: `q${index}`, answer: `a${index}`, compare: "exact" }));
  const [task, copy] = ["questions.jsonl", "copy.jsonl"].map((name) => join(folder, name)) as [string, string];
  for (const path of [task, copy]) writeFileSync(path, lines.map((line) => JSON.stringify(line)).join("\n"));
  for (const shotsFrom of [task, copy]) {
    const warnings: string[] = [];
    const { prompts } = openTask(fakeModel(), readTask({ task, shotsFrom, shots: 2 }), (text) => warnings.push(text));
    expect(prompts).toHaveLength(3);
    for (const { ids, item } of prompts) expect(String.fromCodePoint(...ids)).not.toContain(item.answer);
    expect(warnings).toContainEqual(
      expect.stringMatching(/2 lines of .*questions\.jsonl .* skipped, and 3 are evaluated/),
    );
  }
});

test("an empty name among files is rejected", () => {
  const error = { code: "OPTION_INVALID", message: expect.stringMatching(/--task .*names of files, got an empty one/) };
  for (const task of ["", [file, ""]]) expect(() => readTask({ task })).toThrow(expect.objectContaining(error));
});

test("files of one name are named with their folders, and few prompts give a warning", () => {
  const paths = ["one", "two"].map((name) => join(folder, name, "t.jsonl"));
  for (const path of paths) mkdirSync(dirname(path));
  for (const path of paths) writeFileSync(path, JSON.stringify({ prompt: "a", answer: "b", compare: "exact" }));
  const warnings: string[] = [];
  const { names } = openTask(fakeModel(), readTask({ task: paths }), (text) => warnings.push(text));
  expect(names).toEqual([join("one", "t.jsonl"), join("two", "t.jsonl")]);
  expect(warnings).toEqual([expect.stringMatching(/^2 prompts are too few .*use 25 or more/)]);
});

test.each([
  [{ prompts: 3 }],
  [{ shots: 2 }],
  [{ shotsFrom: file }],
  [{ maxTokens: 9 }],
  [{ likelihood: "sum" }],
  [{ chat: true }],
] as const)("%j without a task is rejected", (options) => {
  const error = { code: "OPTION_INVALID", message: expect.stringMatching(/--[a-z-]+ to be given with --task/) };
  expect(() => assertNoTaskOptions(options)).toThrow(expect.objectContaining(error));
  expect(() => assertNoTaskOptions({ chat: false })).not.toThrow();
});
