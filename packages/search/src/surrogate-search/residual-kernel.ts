import type { AdditiveFeatures } from "./additive-features.ts";

/** Standard deviations of what may be wrong with summed losses, all in natural logarithms of loss. */
export interface KernelScales {
  /** A factor common to all genomes. */
  readonly offset: number;
  /** A smooth bend: large sums saturate, or errors of layers feed on each other. */
  readonly bend: number;
  /** Distance in log loss over which the bend changes. */
  readonly bendLength: number;
  /** A factor of each single loss. Half of its variance is common to the choices of a gene. */
  readonly single: number;
  /** What no smooth model explains: interactions of a few genes. */
  readonly noise: number;
}

/** Covariance of the offset and bend at two genomes. */
export const sharedCovariance = (a: AdditiveFeatures, b: AdditiveFeatures, scales: KernelScales): number => {
  const distance = (a.logLoss - b.logLoss) / scales.bendLength;
  return scales.offset ** 2 + scales.bend ** 2 * Math.exp(-0.5 * distance * distance);
};

/** Covariance that comes from the factors of single losses: those that both genomes contain move both. */
export const singleCovariance = (a: AdditiveFeatures, b: AdditiveFeatures, scales: KernelScales): number => {
  let sum = 0;
  for (let gene = 0; gene < a.shares.length; gene++) {
    const product = a.shares[gene]! * b.shares[gene]!;
    sum += a.genome[gene] === b.genome[gene] ? product : product / 2;
  }
  return scales.single ** 2 * sum;
};

/** Covariance of the log residuals of two genomes, without noise. */
export const residualCovariance = (a: AdditiveFeatures, b: AdditiveFeatures, scales: KernelScales): number =>
  sharedCovariance(a, b, scales) + singleCovariance(a, b, scales);
