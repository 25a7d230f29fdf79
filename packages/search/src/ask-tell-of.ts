import { type AskTell, assertEvaluation, type Evaluation, type Genome } from "./ask-tell.ts";

/** The parts that differ between searches. */
export interface AskTellParts {
  readonly choices: readonly number[];
  readonly objectives: number;
  /** Default number of genomes per `ask`. */
  readonly askedAtOnce: number;
  /** The next genome to evaluate, or undefined if none is left. */
  next(): Genome | undefined;
  /** Called with each proposed genome before the next one is drawn. */
  asked(genome: Genome): void;
  /** Receives valid results in the order of `tell`. */
  admit(evaluations: readonly Evaluation[]): void;
  checkpoint(): unknown;
}

/** Builds a search from its parts. `tell` admits none of its results if one is invalid. */
export const askTellOf = (parts: AskTellParts): AskTell => ({
  ask: (count = parts.askedAtOnce) => {
    const asked: Genome[] = [];
    for (let genome; asked.length < count && (genome = parts.next()); asked.push(genome)) parts.asked(genome);
    return asked;
  },
  tell: (evaluations) => {
    for (const evaluation of evaluations) assertEvaluation(evaluation, parts.choices, parts.objectives);
    parts.admit(evaluations);
  },
  checkpoint: () => parts.checkpoint(),
});
