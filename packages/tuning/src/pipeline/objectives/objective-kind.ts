import type { EvaluationEntry, TaskFigures } from "../evaluation-entry.ts";

/** The figures of a plan that objectives read: its KL and its answers to a task's prompts. */
export interface MeasuredPlan extends Pick<EvaluationEntry, "kl"> {
  readonly task?: Pick<TaskFigures, "accuracy" | "correct">;
}

/**
 * One measure that tuning optimizes beside cost. All objectives are losses, so none states a direction: a measure that should be
 * large, such as accuracy, is turned into a loss by its own file. To add one, write a file beside this one and a line in
 * `objectives.ts`.
 */
export interface ObjectiveKind {
  /** The plan's loss; finite for every plan that was evaluated. */
  loss(plan: MeasuredPlan): number;
  /** Whether it is measured on the prompts of a task. Plans that are clearly beaten are then dropped early. */
  readonly needsTask: boolean;
  /**
   * The noise of the measure: by how many standard errors one plan loses less than another on the prompts that both were evaluated
   * on. Absent if the noise is too small to count.
   */
  leadInErrors?(plan: MeasuredPlan, other: MeasuredPlan): number;
}
