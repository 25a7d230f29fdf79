import { klObjective } from "./kl.ts";
import type { ObjectiveKind } from "./objective-kind.ts";
import { taskObjective } from "./task.ts";

/** The losses that each value of `--objective` minimizes, in the order in which the search receives them. */
const OBJECTIVES = {
  kl: [klObjective],
  task: [taskObjective],
  both: [taskObjective, klObjective],
} as const satisfies Readonly<Record<string, readonly ObjectiveKind[]>>;

/**
 * Quality measure to optimize, beside cost: KL to the float cache, a task's accuracy, or both.
 *
 * With a task, KL is measured on the tokens of its answers.
 */
export type Objective = keyof typeof OBJECTIVES;

/** Every value of `--objective`. */
export const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as Objective[];

/** The losses of an objective. */
export const objectivesOf = (objective: Objective): readonly ObjectiveKind[] => OBJECTIVES[objective];

/**
 * The loss that every evaluation measures with little noise, and whose values for single layers nearly add up: the surrogate builds
 * on it, the front counts it beside any objective, and ties are broken by it.
 */
export const baseObjective: ObjectiveKind = klObjective;

/** Whether a task's answers decide. */
export const needsTask = (objective: Objective): boolean => objectivesOf(objective).some((kind) => kind.needsTask);
