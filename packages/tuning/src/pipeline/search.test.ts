import { expect, test } from "vitest";
import { idsOf, searchSpace } from "../space/space.ts";
import { planKey, type EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer } from "./measurer.ts";
import { taskObjective } from "./objectives/task.ts";
import { runSearch, STRATEGIES } from "./search.ts";

const shape = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 64 };
const pairs = [{ key: 8, value: 8 } as const, { key: 4, value: 4 } as const, { key: 2, value: 2 } as const];
const space = searchSpace(shape, { mode: "per-token", pairs, context: 128, cost: "true" });

/** Every other plan lacks answers. */
const halfAnswered = (): Measurer => {
  const known = new Map<string, EvaluationEntry>();
  const figures = { accuracyStandardError: 0.1, floatAccuracy: 1, pValue: 1, prompts: 2, isComplete: true };
  return {
    known,
    evaluate: async (plans) => {
      for (const plan of plans) {
        const choices = idsOf(space, plan);
        const task = known.size % 2 === 0 && { task: { ...figures, accuracy: 0.5, correct: "01" } };
        known.set(planKey(choices), { choices, kl: 0.1, klStandardError: 0, ...task });
      }
    },
    recall: async () => undefined,
  };
};

test.each(STRATEGIES)(
  "where a task decides, %s takes a plan without answers for one that answers nothing",
  async (strategy) => {
    const layers = Array.from({ length: shape.layers }, (_, layer) => layer);
    const inputs = {
      space,
      losses: layers.map(() => [0.01, 0.1, 1]),
      candidates: layers.map(() => [0, 1, 2]),
      groups: layers.map((layer) => [layer]),
    };
    const options = {
      strategy,
      evaluations: 9,
      seed: 0,
      focus: undefined,
      objective: "task",
      limit: { kind: "knee" },
    } as const;
    const callbacks = { progress: () => undefined, warn: () => undefined };
    expect(await runSearch(inputs, options, halfAnswered(), callbacks)).toHaveLength(9);
    const nothing = { accuracy: 0, correct: "00" };
    expect(taskObjective.loss({ kl: 0.1 })).toBe(taskObjective.loss({ kl: 0.1, task: nothing }));
  },
);
