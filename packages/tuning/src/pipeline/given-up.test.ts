import { expect, test } from "vitest";
import { givenUpEntry, givenUpPlans, type JournalPlan } from "./given-up.ts";
import { objectivesOf } from "./objectives/objectives.ts";

const PROMPTS = 100;
const TASK = objectivesOf("task");
const plan = (name: string, cost: number, asked: number, share: number): JournalPlan => ({
  choices: [name],
  cost,
  kl: [],
  correct: Array.from({ length: asked }, (_, index) => index % 10 < 10 * share),
});

const rival = plan("K8V8", 8, PROMPTS, 1);
const beaten = plan("K4V4", 8, 25, 0.2);
const interrupted = plan("K4V2", 8, 25, 1);
const withinRound = plan("K2V2", 8, 31, 0.2);

test("without marks, a plan is given up that stopped after a round in which another beats it", () => {
  expect(givenUpPlans([], [rival, beaten, interrupted, withinRound], PROMPTS, TASK)).toEqual([beaten]);
  expect(givenUpPlans([], [plan("K8V8", 9, PROMPTS, 1), beaten], PROMPTS, TASK)).toEqual([]);
  expect(givenUpPlans([], [plan("K8V8", 8, 24, 1), beaten], PROMPTS, TASK)).toEqual([]);
});

test("with marks, those that are marked where they stopped are, and no others", () => {
  const marks = [givenUpEntry(interrupted.choices, 25), givenUpEntry(withinRound.choices, 25)];
  expect(givenUpPlans(marks, [rival, beaten, interrupted, withinRound], PROMPTS, TASK)).toEqual([interrupted]);
});
