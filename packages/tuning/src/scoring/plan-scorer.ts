import type { Plan } from "@kvtuner/plan";

/** Scores plans one after the other on the same text or tasks, with the model loaded once. */
export interface PlanScorer<Result> {
  /** Scores a plan that fits the model. */
  score(plan: Plan): Promise<Result>;
  /** Gives back the evaluator's memory; the model stays open. */
  dispose(): Promise<void>;
}
