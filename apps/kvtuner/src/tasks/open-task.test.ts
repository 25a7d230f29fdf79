import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import { readTask } from "./open-task.ts";
import { assertNoTaskOptions } from "./without-task.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-open-task-"));
const file = join(folder, "task.jsonl");
writeFileSync(file, JSON.stringify({ prompt: "a", answer: "b", compare: "exact" }));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a file that is given twice is refused, however it is spelled", () => {
  const link = join(folder, "link.jsonl");
  symlinkSync(file, link);
  for (const other of [file, `${folder}/./task.jsonl`, link])
    expect(() => readTask({ task: [file, other] })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(/--task .*twice/) }),
    );
});

test("a file of examples without a number of examples is refused", () => {
  expect(() => readTask({ task: file, shotsFrom: file })).toThrow(/--shots-from to be given with --shots/);
  expect(() => readTask({ task: file, shotsFrom: file, shots: 1 })).not.toThrow();
});

test.each([
  [{ prompts: 3 }],
  [{ shots: 2 }],
  [{ shotsFrom: file }],
  [{ maxTokens: 9 }],
  [{ likelihood: "sum" }],
  [{ chat: true }],
] as const)("%j without a task is refused", (options) => {
  const error = { code: "OPTION_INVALID", message: expect.stringMatching(/--[a-z-]+ to be given with --task/) };
  expect(() => assertNoTaskOptions(options)).toThrow(expect.objectContaining(error));
  expect(() => assertNoTaskOptions({ chat: false })).not.toThrow();
});
