/** Two outcomes on the same prompts: how far they differ, and whether chance could be why. */
export interface PairedComparison {
  /** Prompts that the first gets right and the second wrong. */
  readonly gained: number;
  /** Prompts that the second gets right and the first wrong. */
  readonly lost: number;
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
  /** Standard error of the difference, of a paired sample; not 0 where all prompts differ in one way, or none do. */
  readonly standardError: number;
  /** McNemar's test, two-sided: how likely so unequal a split is when neither is better. */
  readonly pValue: number;
}

/** Compares outcomes prompt by prompt; both are in the order of the prompts, and as long. */
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
 * Standard error where the sample has none, as all its pairs differ in one way, or none do: by Agresti and Min
 * (2005, Statistics in Medicine 24, 729-740), half a prompt is added to each of the four counts.
 */
const errorOfEqualPairs = (differing: number, prompts: number): number =>
  Math.sqrt(differing + 1 - differing ** 2 / (prompts + 2)) / (prompts + 2);

/** From this number of differing prompts on, chi-square is close enough to the binomial. */
const EXACT_BELOW = 25;

/**
 * Two-sided p of McNemar's test (1947) for the counts of prompts that only one of two gets right: the exact binomial below
 * 25 of them, else chi-square with Edwards's continuity correction (1948).
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

/** erfc(x), x >= 0: its series near 0 (DLMF 7.6.2), its continued fraction from the far end beyond (DLMF 7.9.1). */
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
