import { moments } from "../moments.ts";

/** What a plan, or the float cache, does with prompts, in their order. */
export interface TaskOutcome {
  /** Whether each prompt was answered right. */
  readonly correct: readonly boolean[];
  /** KL(float cache || plan) on the tokens of each prompt's right answer, given those before them; nats a token. */
  readonly kl: readonly number[];
}

/** An outcome in figures. Standard errors are over prompts. */
export interface TaskScore {
  /** Share of prompts answered right. */
  readonly accuracy: number;
  /** Of the sample; not 0 where all or none are right, as a next prompt may be answered otherwise. */
  readonly accuracyStandardError: number;
  /** Mean over prompts, nats a token. */
  readonly kl: number;
  /** 0 with one prompt. */
  readonly klStandardError: number;
  readonly prompts: number;
}

/** Means of an outcome, which holds at least one prompt. */
export const taskScore = ({ correct, kl }: TaskOutcome): TaskScore => {
  const right = moments(correct.map(Number));
  const divergence = moments(kl);
  return {
    accuracy: right.mean,
    accuracyStandardError: right.standardError || errorOfEqualAnswers(correct.length),
    kl: divergence.mean,
    klStandardError: divergence.standardError || 0,
    prompts: correct.length,
  };
};

/**
 * Standard error where the sample has none, as all its answers are right, or all wrong. By Agresti and Coull (1998),
 * https://doi.org/10.2307/2685469, z^2 / 2 prompts are added to either side, half a one for a single standard error.
 */
const errorOfEqualAnswers = (prompts: number): number => {
  const share = 0.5 / (prompts + 1);
  return Math.sqrt((share * (1 - share)) / (prompts + 1));
};
