import type { EvaluationEntry } from "../evaluation-entry.ts";

/** What objectives look at: a plan's measured loss, and how it answered a task. */
export type MeasuredPlan = Pick<EvaluationEntry, "kl" | "task">;

/** One quality that plans are chosen by. A new one is one file like its neighbours and a line in the table of `objectives.ts`. */
export interface ObjectiveKind {
  /** What a plan loses; less is better. */
  loss(plan: MeasuredPlan): number;
  /** Whether it needs a task's prompts answered; plans that are clearly beaten are then given up. */
  readonly needsTask: boolean;
  /** Plans that are behind the best by no more than chance; absent where a measure is exact enough to be taken as it is. */
  withinNoise?<Plan extends MeasuredPlan>(plans: readonly Plan[]): Plan[];
}
