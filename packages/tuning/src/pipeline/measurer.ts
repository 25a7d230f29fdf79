import type { EvaluationEntry } from "./evaluation-entry.ts";

/** Progress of a run before some evaluations. */
export interface Place {
  readonly done: number;
  readonly total: number;
}

/** Evaluates plans and keeps their figures in the study's journal. */
export interface Measurer {
  /** Figures of the evaluated plans, by {@link planKey}. */
  readonly known: ReadonlyMap<string, EvaluationEntry>;
  /** Adds plans, given as choice indices by layer, to {@link known}. Evaluates only those that the journal lacks. */
  evaluate(plans: readonly (readonly number[])[], place: Place): Promise<void>;
  /** Replays the journal of a finished search without searching again. */
  recall(): Promise<void>;
}
