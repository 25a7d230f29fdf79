import { joinIds } from "@kvtuner/decoder";
import type { EncodedPrompt } from "./encode-task.ts";

/** In `wanted`, any token that ends an output. */
export const END = -1;

/** A prompt with one of its answers, fed at once: every answer token is predicted from the right ones before it. */
export interface Sequence {
  /** Prompt and all but the last of `wanted`. */
  readonly ids: Int32Array;
  /** Row that predicts the first of `wanted`; the others follow. */
  readonly firstRow: number;
  /** What the rows from `firstRow` on should predict: the answer, then {@link END} or the tokens of the stop. */
  readonly wanted: Int32Array;
  /** How many of `wanted` are the answer's. */
  readonly answerTokens: number;
}

/** One sequence per target of a prompt. */
export const sequencesOf = ({ item, ids, targets, stop }: EncodedPrompt): Sequence[] => {
  const behind = stop.length === 0 && item.compare !== "choice" ? [END] : stop;
  return targets.map((target) => {
    const wanted = joinIds(target, behind);
    return {
      ids: joinIds(ids, wanted.subarray(0, -1)),
      firstRow: ids.length - 1,
      wanted,
      answerTokens: target.length,
    };
  });
};

/**
 * Whether greedy decoding gives the answer, from the likeliest token of each row under teacher forcing. The two agree. While
 * the output matches the answer, the cache holds what teacher forcing feeds, so the next token is the row's. The first row
 * that differs is where the output leaves the answer. The output must end exactly after the answer, by a token of
 * `endTokens` or by the stop.
 *
 * @param best likeliest token of each row of `wanted`
 */
export const isExact = (
  { wanted, answerTokens }: Pick<Sequence, "wanted" | "answerTokens">,
  best: ArrayLike<number>,
  endTokens: readonly number[],
): boolean => {
  const stop = wanted.subarray(answerTokens);
  const isStop = (from: number): boolean => stop.every((token, index) => token === wanted[from + index]);
  for (let row = 0; row < answerTokens; row++)
    if (best[row] !== wanted[row] || endTokens.includes(wanted[row]!) || isStop(row)) return false;
  return endTokens.includes(best[answerTokens]!) || stop.every((token, index) => token === best[answerTokens + index]);
};
