import { moments } from "../moments.ts";

/** What a plan, or the float cache, does with prompts, in their order. */
export interface TaskOutcome {
  /** Whether each prompt was answered right. */
  readonly correct: readonly boolean[];
  /** KL(float cache || plan) on the tokens of each prompt's right answer, given those before them; nats a token. */
  readonly kl: readonly number[];
}

/** An outcome in figures. Standard errors are over prompts; 0 with one prompt. */
export interface TaskScore {
  /** Share of prompts answered right. */
  readonly accuracy: number;
  readonly accuracyStandardError: number;
  /** Mean over prompts, nats a token. */
  readonly kl: number;
  readonly klStandardError: number;
  readonly prompts: number;
}

/** Means of an outcome, which holds at least one prompt. */
export const taskScore = ({ correct, kl }: TaskOutcome): TaskScore => {
  const right = moments(correct.map(Number));
  const divergence = moments(kl);
  return {
    accuracy: right.mean,
    accuracyStandardError: right.standardError || 0,
    kl: divergence.mean,
    klStandardError: divergence.standardError || 0,
    prompts: correct.length,
  };
};
