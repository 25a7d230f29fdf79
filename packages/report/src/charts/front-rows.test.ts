import type { TaskFigures } from "@kvtuner/tuning";
import { expect, test } from "vitest";
import type { PricedEntry } from "../data/data.ts";
import { isWhole, kindOf } from "./front-rows.ts";

const ASKED: TaskFigures = {
  accuracy: 1,
  accuracyStandardError: 0,
  floatAccuracy: 1,
  pValue: 1,
  prompts: 25,
  isComplete: true,
  correct: "1".repeat(25),
};

const UNIFORM: PricedEntry = {
  choices: ["kivi:K4V4"],
  pairs: ["K4V4"],
  kl: 0.1,
  klStandardError: 0,
  task: ASKED,
  bytes: 1,
  bits: 5,
  equivalentBits: 4,
  bytesPerToken: 1,
  onFront: true,
  uniform: "K4V4",
  picked: false,
  isUnderWay: false,
};

const PARTLY = { ...ASKED, isComplete: false };

test.each([
  [{}, "one pair everywhere", true],
  [{ picked: true }, "picked plan", true],
  [{ task: { ...PARTLY, isGivenUp: true } }, "given up early", false],
  [{ task: PARTLY, isUnderWay: true }, "not yet evaluated on all prompts", false],
  [{ uniform: undefined }, "front", true],
  [{ uniform: undefined, onFront: false }, "beaten by others", true],
  [{ uniform: undefined, task: PARTLY }, "given up early", false],
] as const)("one pair everywhere except %j is called %j", (change, kind, whole) => {
  expect(kindOf({ ...UNIFORM, ...change })).toBe(kind);
  expect(isWhole({ kind })).toBe(whole);
});
