import { EvaluationError } from "./evaluator.ts";

/**
 * Cuts token ids into `count` consecutive samples of `length`, from the start. The rest is not used.
 *
 * @throws EvaluationError `EVALUATION_TEXT_TOO_SHORT` when there are too few ids
 */
export const cutSamples = (ids: Int32Array, length: number, count: number): Int32Array[] => {
  if (ids.length < length * count)
    throw new EvaluationError(
      "EVALUATION_TEXT_TOO_SHORT",
      `expected a text of at least ${length * count} tokens for ${count} samples of ${length}, got ${ids.length}; use a longer text, or fewer or shorter samples`,
    );
  return Array.from({ length: count }, (_, sample) => ids.slice(sample * length, (sample + 1) * length));
};
