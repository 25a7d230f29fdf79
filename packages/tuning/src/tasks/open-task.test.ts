import type { EncodedPrompt } from "@kvtuner/evaluation";
import { expect, test } from "vitest";
import { answerTexts } from "./open-task.ts";

const prompt = (compare: "exact" | "choice", stop: number[]): EncodedPrompt => ({
  item: { prompt: "", answer: "", compare, line: 1 },
  ids: Int32Array.of(1, 2, 3),
  targets: [Int32Array.of(4), Int32Array.of(5, 6)],
  right: 1,
  stop: Int32Array.from(stop),
});

test.each([
  { name: "an answer, and its end", given: prompt("exact", []), ids: [1, 2, 3, 5, 6] },
  { name: "an answer, and its stop", given: prompt("exact", [7, 8]), ids: [1, 2, 3, 5, 6, 7] },
  { name: "a choice", given: prompt("choice", []), ids: [1, 2, 3, 5] },
])("predictions count that measured losses count: $name", ({ given, ids }) => {
  const task = { prompts: [given, given] } as unknown as Parameters<typeof answerTexts>[0];
  expect(answerTexts(task, 1)).toEqual([{ ids: Int32Array.from(ids), from: 2 }]);
});
