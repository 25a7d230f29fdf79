import { expect, test } from "vitest";
import type { Progress } from "../progress.ts";
import { idsOf, searchSpace, type SearchSpace } from "../space/space.ts";
import { planKey, type EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer } from "./measurer.ts";
import { taskObjective } from "./objectives/task.ts";
import { runSearch, type SearchInputs, STRATEGIES } from "./search.ts";

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

/** Every layer has all three choices and is a group of its own. */
const inputsOf = (searched: SearchSpace, lossOf: (layer: number, choice: number) => number): SearchInputs => {
  const layers = Array.from({ length: searched.shape.layers }, (_, layer) => layer);
  return {
    space: searched,
    losses: layers.map((layer) => [0, 1, 2].map((choice) => lossOf(layer, choice))),
    candidates: layers.map(() => [0, 1, 2]),
    groups: layers.map((layer) => [layer]),
  };
};

const steps = inputsOf(space, (_, choice) => [0.01, 0.1, 1][choice]!);

test.each(STRATEGIES)(
  "where a task decides, %s takes a plan without answers for one that answers nothing",
  async (strategy) => {
    const options = {
      strategy,
      evaluations: 9,
      seed: 0,
      focus: undefined,
      stopsEarly: false,
      objective: "task",
      limit: { kind: "knee" },
    } as const;
    const callbacks = { progress: () => undefined, warn: () => undefined };
    expect(await runSearch(steps, options, halfAnswered(), callbacks)).toHaveLength(9);
    const nothing = { accuracy: 0, correct: "00" };
    expect(taskObjective.loss({ kl: 0.1 })).toBe(taskObjective.loss({ kl: 0.1, task: nothing }));
  },
);

test.each(STRATEGIES)(
  "where searches may stop early, progress of %s counts to all evaluations unless it can",
  async (strategy) => {
    const options = {
      strategy,
      evaluations: 24,
      seed: 0,
      focus: undefined,
      stopsEarly: true,
      objective: "kl",
      limit: { kind: "knee" },
    } as const;
    const totals = new Set<number>();
    const progress = ({ total }: Progress): void => void totals.add(total);
    await runSearch(steps, options, halfAnswered(), { progress, warn: () => undefined });
    expect([...totals].every((total) => total === 24)).toBe(strategy !== "surrogate");
  },
);

test.each([
  { relative: 0.1, least: 8, most: 18 },
  { relative: 0.001, least: 24, most: 24 },
])("stops when more evaluations gain less than a standard error of $relative", async ({ relative, least, most }) => {
  const wide = searchSpace({ ...shape, layers: 12 }, { mode: "per-token", pairs, context: 128, cost: "true" });
  const lossOf = (layer: number, choice: number): number =>
    (0.001 + 0.0007 * ((layer * 5) % 7)) * [0.1, 1, 12][choice]!;
  const known = new Map<string, EvaluationEntry>();
  const measurer: Measurer = {
    known,
    evaluate: async (plans) => {
      for (const plan of plans) {
        const choices = idsOf(wide, plan);
        const sum = plan.reduce((total, choice, layer) => total + lossOf(layer, choice), 0);
        const kl = sum * (1.1 + 0.05 * Math.sin(1000 * sum));
        known.set(planKey(choices), { choices, kl, klStandardError: relative * kl });
      }
    },
    recall: async () => undefined,
  };
  const options = {
    strategy: "surrogate",
    evaluations: 24,
    seed: 0,
    focus: undefined,
    stopsEarly: true,
    objective: "kl",
    limit: { kind: "knee" },
  } as const;
  const { length } = await runSearch(inputsOf(wide, lossOf), options, measurer, {
    progress: () => undefined,
    warn: () => undefined,
  });
  expect(length).toBeGreaterThanOrEqual(least);
  expect(length).toBeLessThanOrEqual(most);
});
