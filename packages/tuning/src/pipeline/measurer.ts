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
  /** Makes plans, given as one pair index a layer, known; what was evaluated in an earlier run is not evaluated again. */
  evaluate(choices: readonly (readonly number[])[], place: Place): Promise<void>;
  /** Makes known what the journal holds: of a search that is done, whose way is not gone again. */
  recall(): Promise<void>;
}
