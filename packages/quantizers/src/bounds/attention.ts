import { DOUBLE_SLACK } from "./group.ts";

/**
 * Largest `sum |a_t - a^_t|` of attention weights whose scores are off by at most `scoreErrors[t]`: the smaller of
 * `2 tanh(largest / 2)` and, when one side's weights are given, `2 sum a_t (exp(scoreErrors[t]) - 1)`: each key counts by
 * its own weight.
 *
 * Proof. Half the sum is `max over S of a^(S) - a(S)`. An error of at most `e` multiplies the odds of a set of tokens by
 * at most `exp(2e)`, and `logistic(l + 2e) - logistic(l)` is largest at `l = -e`, where it is `tanh(e / 2)`. For the second
 * let `b_t = a_t exp(error_t)` and `Z = sum b`, so `a^ = b / Z`. If `Z >= 1` then `a^ <= b`, and what weights gain in all is
 * at most `sum (b_t - a_t)^+`; if `Z < 1` then `a^ >= b`, and what they lose is at most `sum (a_t - b_t)^+`. Both are at
 * most `sum a_t (exp(e_t) - 1)`, and gain equals loss.
 */
export const attentionWeightBound = (scoreErrors: ArrayLike<number>, weights?: ArrayLike<number>): number => {
  let largest = 0;
  let weighted = 0;
  for (let token = 0; token < scoreErrors.length; token++) {
    largest = Math.max(largest, scoreErrors[token]!);
    if (weights) weighted += weights[token]! * Math.expm1(scoreErrors[token]!);
  }
  const uniform = Math.tanh(largest / 2);
  return DOUBLE_SLACK * 2 * (weights ? Math.min(uniform, weighted) : uniform);
};

/** Input of {@link attentionOutputBound}. */
export interface AttentionOutput {
  /** Attention weights `[tokens]` of the cache without errors. */
  readonly weights: ArrayLike<number>;
  /** Bound of the weights' error, from {@link attentionWeightBound}. */
  readonly weightBound: number;
  /** Decoded values, `[tokens, headSize]`. */
  readonly values: ArrayLike<number>;
  /** Bound of each value's error, `[tokens, headSize]`. */
  readonly valueBounds: ArrayLike<number>;
}

/**
 * Largest `|o_i - o^_i|` of each channel of `o = sum a_t v_t`, `[headSize]`. Keys contribute half the weights' error times
 * the spread of the channel's decoded values. Values contribute their bounds, averaged with the weights.
 *
 * Proof: `o - o^ = sum (a_t - a^_t) v^_t + sum a_t (v_t - v^_t)`. Weights sum to 1 on both sides, so subtracting the middle of
 * the channel's range from `v^` leaves the first sum unchanged. It also holds with the sides exchanged (weights with errors,
 * values without).
 */
export const attentionOutputBound = ({ weights, weightBound, values, valueBounds }: AttentionOutput): Float64Array => {
  const tokens = weights.length;
  const headSize = values.length / tokens;
  return Float64Array.from({ length: headSize }, (_, channel) => {
    let smallest = Infinity;
    let largest = -Infinity;
    let own = 0;
    for (let token = 0; token < tokens; token++) {
      const value = values[token * headSize + channel]!;
      smallest = Math.min(smallest, value);
      largest = Math.max(largest, value);
      own += weights[token]! * valueBounds[token * headSize + channel]!;
    }
    return DOUBLE_SLACK * ((weightBound / 2) * (largest - smallest) + own);
  });
};
