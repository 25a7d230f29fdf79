import type { EvaluationEntry } from "./evaluation-entry.ts";

/** Where a run stands before some evaluations. */
export interface Place {
  readonly done: number;
  readonly total: number;
}

/** Evaluates plans and keeps what it finds in the study's journal. */
export interface Measurer {
  /** What is known, by {@link planKey}. */
  readonly known: ReadonlyMap<string, EvaluationEntry>;
  /** Adds plans, given as choice indices by layer, to the known ones. Evaluates only those that the journal lacks. */
  evaluate(plans: readonly (readonly number[])[], place: Place): Promise<void>;
  /** Replays the journal of a finished search without searching again. */
  recall(): Promise<void>;
}
