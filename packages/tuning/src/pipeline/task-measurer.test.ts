import type { TaskEvaluator, TaskOutcome } from "@kvtuner/evaluation";
import { bitsOf } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { searchSpace } from "../space/space.ts";
import type { Objective } from "./objectives/objectives.ts";
import { makeFront } from "./pick.ts";
import type { TaskEntry } from "./task-entry.ts";
import { taskMeasurer } from "./task-measurer.ts";

const PROMPTS = 100;
const shape = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 64 };
const pairs = [{ key: 4, value: 2 } as const, { key: 2, value: 4 } as const];
const space = searchSpace(shape, { mode: "per-token", pairs, context: 128, cost: "equivalent" });

/** Answers everything right and loses much, where keys have 4 bits; nothing, and little, where they have 2. */
const outcomeOf = (keyBits: number, prompts: number): TaskOutcome => ({
  correct: Array<boolean>(prompts).fill(keyBits > 2),
  kl: Array<number>(prompts).fill(keyBits > 2 ? 0.5 : 0.1),
});

const evaluator: TaskEvaluator = {
  prompts: PROMPTS,
  float: async ({ start = 0, end = PROMPTS } = {}) => outcomeOf(16, end - start),
  evaluate: async (plans, { start = 0, end = PROMPTS, onOutcome } = {}) => {
    const outcomes = plans.map(([layer]) => outcomeOf(layer ? bitsOf(layer.key) : 0, end - start));
    for (const [index, outcome] of outcomes.entries()) await onOutcome?.(index, outcome);
    return outcomes;
  },
  dispose: async () => undefined,
};

test.each([
  ["both", ["K2V4", "K4V2"]],
  ["task", ["K4V2"]],
] as const)("by %s, of plans of one cost the front holds %j", async (objective: Objective, front) => {
  const entries: TaskEntry[] = [];
  const journal = { entries, append: async (entry: TaskEntry) => void entries.push(entry) };
  const measurer = taskMeasurer({
    space,
    evaluator: async () => evaluator,
    journal,
    prompts: PROMPTS,
    objective,
    progress: () => undefined,
    warn: () => undefined,
  });
  await measurer.evaluate([[0], [1]], { done: 0, total: 2 });
  const plans = makeFront(space, [...measurer.known.values()], objective).front;
  expect(plans.map((plan) => plan.pairs.join()).toSorted()).toEqual(front);
});
