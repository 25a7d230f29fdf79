import type { EvaluationEntry } from "../evaluation-entry.ts";

/** What an objective reads: a plan's KL and its answers to a task. */
export type MeasuredPlan = Pick<EvaluationEntry, "kl" | "task">;

/** One measure that tuning minimizes beside cost. To add one, write a file beside this one and a line in `objectives.ts`. */
export interface ObjectiveKind {
  /** What a plan loses; less is better. */
  loss(plan: MeasuredPlan): number;
  /** Whether it is measured on the prompts of a task. Plans that are clearly beaten are then dropped early. */
  readonly needsTask: boolean;
  /** Plans that may be as good as the best within the noise of the measure. Absent where the measure has none worth counting. */
  withinNoise?<Plan extends MeasuredPlan>(plans: readonly Plan[]): Plan[];
}
