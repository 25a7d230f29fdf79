/**
 * Bounds `sum |a_i - a^_i|` when no score moves by more than `scoreError`: `2 tanh(scoreError / 2)`. The odds of any set of
 * tokens move by a factor of at most `e^(2 scoreError)`, and a probability then moves by at most `tanh(scoreError / 2)`.
 */
export const attentionWeightBound = (scoreError: number): number => 2 * Math.tanh(scoreError / 2);

/**
 * Bounds `|o - o^|` of one channel: `|a - a^|_1 / 2 * spread + sum a^_i |dv_i|`, with `spread` the largest less the smallest
 * value of the channel and `valueError` at least every `|dv_i|`. Keys enter by the first term, values by the second.
 */
export const attentionOutputBound = (scoreError: number, spread: number, valueError: number): number =>
  (attentionWeightBound(scoreError) / 2) * spread + valueError;
