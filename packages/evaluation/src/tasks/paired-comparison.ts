/** Two outcomes on the same prompts: how much they differ, and whether chance explains it. */
export interface PairedComparison {
  /** Prompts that the first gets right and the second wrong. */
  readonly gained: number;
  /** Prompts that the second gets right and the first wrong. */
  readonly lost: number;
  /** Accuracy of the first minus that of the second. */
  readonly difference: number;
  /** Standard error of the paired difference; not 0 if no prompts differ, or all differ in one direction. */
  readonly standardError: number;
  /** McNemar's test, two-sided: the probability of a split this uneven if neither is better. */
  readonly pValue: number;
}

/** Compares outcomes prompt by prompt. Both have the same prompts in the same order. */
export const comparePaired = (first: readonly boolean[], second: readonly boolean[]): PairedComparison => {
  const gained = first.filter((right, index) => right && second[index] !== true).length;
  const lost = second.filter((right, index) => right && first[index] !== true).length;
  const prompts = first.length;
  const difference = (gained - lost) / prompts;
  const variance = (gained + lost) / prompts - difference ** 2;
  return {
    gained,
    lost,
    difference,
    standardError: variance > 0 ? Math.sqrt(variance / (prompts - 1)) : errorOfEqualPairs(gained + lost, prompts),
    pValue: mcNemar(gained, lost),
  };
};

/**
 * Standard error when no pairs differ, or all differ in one direction, where the sample's own is 0. Agresti and Min
 * (2005, Statistics in Medicine 24, 729-740) add half a prompt to each of the four counts.
 */
const errorOfEqualPairs = (differing: number, prompts: number): number =>
  Math.sqrt(differing + 1 - differing ** 2 / (prompts + 2)) / (prompts + 2);

/** From this number of differing prompts on, chi-square is close enough to the binomial. */
const EXACT_BELOW = 25;

/**
 * Two-sided p of McNemar's test (1947), from the counts of prompts that only one of two gets right. Exact binomial below
 * 25 of them, otherwise chi-square with Edwards's continuity correction (1948).
 */
export const mcNemar = (gained: number, lost: number): number => {
  const differing = gained + lost;
  if (differing === 0) return 1;
  if (differing < EXACT_BELOW) return Math.min(1, 2 * binomialTail(Math.min(gained, lost), differing));
  const statistic = Math.max(0, Math.abs(gained - lost) - 1) ** 2 / differing;
  return complementaryError(Math.sqrt(statistic / 2));
};

/** P(X <= most) of `trials` fair coins. */
const binomialTail = (most: number, trials: number): number => {
  let term = 0.5 ** trials;
  let sum = term;
  for (let heads = 1; heads <= most; heads++) {
    term *= (trials - heads + 1) / heads;
    sum += term;
  }
  return sum;
};

/** erfc(x), x >= 0: its series near 0 (DLMF 7.6.2), its continued fraction elsewhere (DLMF 7.9.1), evaluated backwards. */
const complementaryError = (x: number): number => {
  const scale = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2) {
    let [term, sum] = [x, x];
    for (let n = 1; term > 1e-17; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return 1 - 2 * scale * sum;
  }
  let fraction = x;
  for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
  return scale / fraction;
};
