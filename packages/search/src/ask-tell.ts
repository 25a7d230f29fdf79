import { SearchError } from "./search-error.ts";

/** One candidate: for each gene the index of its choice, 0 <= genome[gene] < choices[gene]. */
export type Genome = readonly number[];

/** Result of one genome. */
export interface Evaluation {
  readonly genome: Genome;
  /** Every objective is minimized. Finite. By convention objectives[0] is the loss and objectives[1] the cost. */
  readonly objectives: readonly number[];
  /** Amount by which the genome violates the constraint, finite; 0, negative or absent means that it is allowed. */
  readonly constraintViolation?: number;
}

/** A search that proposes genomes and receives results; the caller decides where and how to evaluate. */
export interface AskTell {
  /** Up to `count` genomes to evaluate, none of them proposed or evaluated before; fewer only if no unseen genome remains. */
  ask(count?: number): Genome[];
  /** Accepts results in any number and order, also of genomes that were never proposed. */
  tell(evaluations: readonly Evaluation[]): void;
  /** The whole state as JSON. A restored search continues exactly like the original. */
  checkpoint(): unknown;
}

/** Rejects evaluations that do not match the search. Throws `SEARCH_BAD_EVALUATION`. */
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
  // JSON turns infinity into null, which would turn forbidden into allowed.
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
