import type { EncodedPrompt } from "./encode-task.ts";
import type { RowScorer } from "./row-scorer.ts";
import { isExact, type Sequence } from "./sequence.ts";

/** How to compare choices: by the sum of their tokens' log-probabilities, or by the mean. */
export const LIKELIHOODS = ["sum", "per-token"] as const;

/** One of {@link LIKELIHOODS}. */
export type Likelihood = (typeof LIKELIHOODS)[number];

/** Result of teacher forcing on one prompt. */
export interface Verdict {
  /** Undefined if only generating the output can tell. */
  readonly correct: boolean | undefined;
  /** KL(float cache || plan) over the tokens of the right answer, nats a token. */
  readonly kl: number;
}

/** How answers are judged. */
export interface JudgeOptions {
  readonly scorer: RowScorer;
  readonly endTokens: readonly number[];
  readonly likelihood: Likelihood;
}

/**
 * Judges prompts from the last residuals of the rows that predict their answers.
 *
 * @param sequences those of each prompt
 * @param residuals `[wanted, hiddenSize]` of each target of each prompt
 * @param base the same of the float cache
 */
export const judge = async (
  rules: JudgeOptions,
  prompts: readonly EncodedPrompt[],
  sequences: readonly (readonly Sequence[])[],
  residuals: readonly (readonly Float32Array[])[],
  base: readonly (readonly Float32Array[])[],
): Promise<Verdict[]> => {
  const wanted = Int32Array.from(sequences.flat().flatMap((sequence) => [...sequence.wanted]));
  const rows = joined(residuals.flat());
  const scores = await rules.scorer.score(rows, residuals === base ? rows : joined(base.flat()), wanted);
  let row = 0;
  return prompts.map((prompt, index) =>
    verdict(
      rules,
      prompt,
      sequences[index]!.map((sequence): Answer => {
        const [from, to] = [row, (row += sequence.wanted.length)];
        const { kl, best, logProbability } = scores;
        return {
          sequence,
          kl: kl.subarray(from, to),
          best: best.subarray(from, to),
          log: logProbability.subarray(from, to),
        };
      }),
    ),
  );
};

/** A target with the scores of the rows that predict it. */
interface Answer {
  readonly sequence: Sequence;
  readonly kl: Float64Array;
  readonly best: Int32Array;
  readonly log: Float64Array;
}

const verdict = (rules: JudgeOptions, { item, right }: EncodedPrompt, answers: readonly Answer[]): Verdict => {
  const { sequence, best, kl } = answers[right]!;
  if (item.compare === "number") return { correct: undefined, kl: mean(kl) };
  if (item.compare === "exact") return { correct: isExact(sequence, best, rules.endTokens), kl: mean(kl) };
  const likelihoods = answers.map(({ log }) => (rules.likelihood === "sum" ? sum(log) : mean(log)));
  return {
    correct: likelihoods.indexOf(likelihoods.reduce((most, one) => Math.max(most, one))) === right,
    kl: mean(kl),
  };
};

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);

const mean = (values: Float64Array): number => sum(values) / values.length;

const joined = (parts: readonly Float32Array[]): Float32Array => {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
};
