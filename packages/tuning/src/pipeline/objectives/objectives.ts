import { klObjective } from "./kl.ts";
import type { ObjectiveKind } from "./objective-kind.ts";
import { taskObjective } from "./task.ts";

/** What each value of `--objective` minimizes, in the order in which the search receives the losses. */
const OBJECTIVES = {
  kl: [klObjective],
  task: [taskObjective],
  both: [taskObjective, klObjective],
} as const satisfies Readonly<Record<string, readonly ObjectiveKind[]>>;

/**
 * What a plan should be good at beside being small: KL to the float cache, a task's accuracy, or both.
 *
 * With a task, KL is measured on the tokens of its answers.
 */
export type Objective = keyof typeof OBJECTIVES;

/** All that users can ask for. */
export const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as Objective[];

/** The qualities that users ask for by one name. */
export const objectivesOf = (objective: Objective): readonly ObjectiveKind[] => OBJECTIVES[objective];

/** Whether a task's answers decide. */
export const needsTask = (objective: Objective): boolean => objectivesOf(objective).some((kind) => kind.needsTask);
