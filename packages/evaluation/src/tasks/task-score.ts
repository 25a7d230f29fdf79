import { moments } from "../moments.ts";

/** Outcome of a plan, or of the float cache, on prompts, in their order. */
export interface TaskOutcome {
  /** Whether each prompt was answered right. */
  readonly correct: readonly boolean[];
  /** KL(float cache || plan) on the tokens of each prompt's right answer, given the tokens before; nats per token. */
  readonly kl: readonly number[];
}

/** Figures of an outcome. Standard errors are over prompts. */
export interface TaskScore {
  /** Share of prompts answered right. */
  readonly accuracy: number;
  /** Standard error of the sample; not 0 if all or none are right, since the next prompt may differ. */
  readonly accuracyStandardError: number;
  /** Mean over prompts, nats per token. */
  readonly kl: number;
  /** 0 with one prompt. */
  readonly klStandardError: number;
  readonly prompts: number;
}

/** Means of an outcome of at least one prompt. */
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
 * Standard error when all or no answers are right, where the sample's own is 0. Agresti and Coull (1998),
 * https://doi.org/10.2307/2685469, add z^2 / 2 prompts to either side: half a prompt for one standard error.
 */
const errorOfEqualAnswers = (prompts: number): number => {
  const share = 0.5 / (prompts + 1);
  return Math.sqrt((share * (1 - share)) / (prompts + 1));
};
