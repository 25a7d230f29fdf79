import { SearchError } from "./search-error.ts";

/** One candidate: for each gene the index of its choice, 0 <= genome[gene] < choices[gene]. */
export type Genome = readonly number[];

/** What was measured of one genome. */
export interface Evaluation {
  readonly genome: Genome;
  /** Every objective is minimized. Finite. By convention objectives[0] is the loss and objectives[1] the cost. */
  readonly objectives: readonly number[];
  /** How far the genome is from being allowed, finite; 0, negative or absent means allowed. */
  readonly constraintViolation?: number;
}

/** A search that says what to evaluate and is told the results, so that the caller decides where and how evaluations run. */
export interface AskTell {
  /** Up to `count` genomes to evaluate, never one that was asked or told before; fewer only when no unseen genome remains. */
  ask(count?: number): Genome[];
  /** Results in any number and order. Genomes that were never asked are welcome too. */
  tell(evaluations: readonly Evaluation[]): void;
  /** The whole state as JSON; restoring it and going on gives what going on without it would have given. */
  checkpoint(): unknown;
}

/** Refuses evaluations that do not fit the search. Throws `SEARCH_BAD_EVALUATION`. */
export const assertEvaluation = (evaluation: Evaluation, choices: readonly number[], objectives: number): void => {
  const { genome } = evaluation;
  if (!isGenome(genome, choices)) {
    throw badEvaluation(
      `a genome of ${choices.length} choices within [${choices.join(", ")}]`,
      `[${genome.join(", ")}]`,
    );
  }
  if (evaluation.objectives.length !== objectives || !evaluation.objectives.every(Number.isFinite)) {
    throw badEvaluation(`${objectives} finite objectives`, `[${evaluation.objectives.join(", ")}]`);
  }
  const { constraintViolation = 0 } = evaluation;
  // JSON would make null of infinity, and with it allowed of forbidden.
  if (!Number.isFinite(constraintViolation))
    throw badEvaluation("a finite constraintViolation", `${constraintViolation}`);
};

/** Whether each gene has one of its choices. */
export const isGenome = (genome: Genome, choices: readonly number[]): boolean =>
  genome.length === choices.length && genome.every((choice, gene) => isChoice(choice, choices[gene]));

const isChoice = (choice: number, count: number | undefined): boolean =>
  Number.isInteger(choice) && choice >= 0 && choice < (count ?? 0);

const badEvaluation = (expected: string, came: string): SearchError =>
  new SearchError(
    "SEARCH_BAD_EVALUATION",
    `expected ${expected}, got ${came}; pass only evaluations of genomes of this search`,
  );
