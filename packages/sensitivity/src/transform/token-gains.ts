/** Gains are powers of two in quarters of an octave, from a quarter up to this exponent. */
const [LOWEST, HIGHEST, STEPS_PER_OCTAVE] = [-2, 1.75, 4];

/**
 * Each token's gain: the root of the mean of `z² / variance` over the channels that vary, rounded to a quarter of an octave from
 * 2^-2 to 2^1.75. Dividing by it makes tokens alike, so one deviation a channel fits them all.
 *
 * @param rows `[tokens, size]`
 */
export const tokenGains = (rows: Float64Array, variances: Float64Array): Float64Array => {
  const { length: size } = variances;
  const varying = variances.reduce((count, variance) => count + Number(variance > 0), 0);
  return Float64Array.from({ length: rows.length / size }, (_, token) => {
    let sum = 0;
    for (let i = 0; i < size; i++) if (variances[i]! > 0) sum += rows[token * size + i]! ** 2 / variances[i]!;
    const exponent = Math.log2(Math.sqrt(sum / (varying || 1)) || 1);
    const rounded = Math.round(exponent * STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE;
    return 2 ** Math.min(HIGHEST, Math.max(LOWEST, rounded));
  });
};
