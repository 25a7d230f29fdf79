import type { EncodedPrompt } from "@kvtuner/evaluation";
import { expect, test } from "vitest";
import { unansweredWarnings } from "./float-answers.ts";

const prompt = (
  compare: "exact" | "number" | "choice",
  choices: number,
  stop: readonly number[] = [],
): EncodedPrompt => ({
  item: { prompt: "", answer: "", compare, line: 1 },
  ids: Int32Array.of(1),
  targets: Array.from({ length: choices }, (_, index) => Int32Array.of(index)),
  right: 0,
  stop: Int32Array.from(stop),
});

const warned = (prompts: readonly EncodedPrompt[], right: number): string[] =>
  unansweredWarnings(
    { names: ["t.jsonl"], prompts, fileOf: prompts.map(() => 0) },
    prompts.map((_, index) => index < right),
  );

const of = (count: number, one: EncodedPrompt): EncodedPrompt[] => Array<EncodedPrompt>(count).fill(one);

// Of 100 prompts of four choices, guessing gets 25, give or take sqrt(100 x 1/4 x 3/4) = 4.3.
test.each([
  ["exact", of(100, prompt("exact", 1)), 1],
  ["number", of(100, prompt("number", 1)), 1],
  ["four choices", of(100, prompt("choice", 4)), 29],
  ["two choices", of(100, prompt("choice", 2)), 55],
  ["some of each", [...of(100, prompt("choice", 4)), ...of(50, prompt("exact", 1))], 29],
])("of %s, no more right than chance is told, and one more is not", (_, prompts, most) => {
  expect(warned(prompts, most)).toEqual([expect.stringContaining(`answers ${most} of ${prompts.length} right`)]);
  expect(warned(prompts, most + 1)).toEqual([]);
});

test("a stop is advised where exact answers have none", () => {
  expect(warned(of(30, prompt("exact", 1)), 0)[0]).toContain('need a "stop"');
  expect(warned(of(30, prompt("exact", 1, [7])), 0)[0]).not.toContain('need a "stop"');
  expect(warned(of(30, prompt("choice", 4)), 0)[0]).toMatch(/0 of 30 right, and guessing 7\.5, .*--shots/);
});

test("each file is told of by name", () => {
  const prompts = of(60, prompt("exact", 1));
  const fileOf = prompts.map((_, index) => index % 2);
  const correct = prompts.map((_, index) => index % 2 === 0);
  expect(unansweredWarnings({ names: ["a.jsonl", "b.jsonl"], prompts, fileOf }, correct)).toEqual([
    expect.stringMatching(/^b\.jsonl: the float cache answers 0 of 30 right/),
  ]);
});
