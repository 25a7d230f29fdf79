import { type AskTell, assertEvaluation, type Evaluation, type Genome } from "./ask-tell.ts";

/** What makes one search unlike another. */
export interface AskTellParts {
  readonly choices: readonly number[];
  readonly objectives: number;
  /** Genomes asked when the caller names no number. */
  readonly askedAtOnce: number;
  /** The genome to ask now, undefined when none is left. */
  next(): Genome | undefined;
  /** Told what is asked, before the next one is drawn. */
  asked(genome: Genome): void;
  /** Takes results that fit, in the order told. */
  admit(evaluations: readonly Evaluation[]): void;
  checkpoint(): unknown;
}

/** A search of its parts: none of the results of a call is admitted when one of them does not fit. */
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
