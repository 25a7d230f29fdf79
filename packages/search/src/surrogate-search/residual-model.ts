import type { Genome } from "../ask-tell.ts";
import type { Random } from "../random.ts";
import { type AdditiveFeatures, additiveFeatures, type SingleLosses } from "./additive-features.ts";
import {
  type Cholesky,
  factorize,
  halfLogDeterminant,
  inverseDiagonal,
  multiplyLower,
  solve,
  solveLower,
} from "./cholesky.ts";
import { type KernelScales, residualCovariance, sharedCovariance } from "./residual-kernel.ts";

/** A genome with the natural logarithm of its loss, measured or believed. */
export interface Observation {
  readonly genome: Genome;
  readonly logLoss: number;
}

/** Summed losses corrected by what was observed: a Gaussian process on log(observed loss / summed loss). */
export interface ResidualModel {
  readonly scales: KernelScales;
  /** Log loss of a genome: mean, and variance with the noise. */
  predict(genome: Genome): { mean: number; variance: number };
  /** Single losses [gene][choice] times their corrections; their sums rank genomes nearly as the mean does. */
  correctedLosses(): number[][];
  /** Corrected single losses drawn from the posterior. */
  sampleLosses(random: Random): number[][];
  /** What each observation's log loss would be predicted from all others alone. */
  leaveOneOut(): number[];
  /** Log probability of the observations, up to a constant. */
  readonly evidence: number;
}

interface Fit {
  readonly single: SingleLosses;
  readonly scales: KernelScales;
  readonly points: readonly AdditiveFeatures[];
  readonly residuals: Float64Array;
  readonly factor: Cholesky;
  /** Inverse covariance times residuals. */
  readonly weights: Float64Array;
}

/** Fits the model with given scales (Rasmussen and Williams, Gaussian processes for machine learning, algorithm 2.1). */
export const fitResidualModel = (
  single: SingleLosses,
  observations: readonly Observation[],
  scales: KernelScales,
): ResidualModel => {
  const points = observations.map(({ genome }) => additiveFeatures(genome, single));
  const residuals = Float64Array.from(observations, ({ logLoss }, index) => logLoss - points[index]!.logLoss);
  const factor = factorize(points.length, withNoise(points, scales, residualCovariance));
  const weights = solve(factor, residuals);
  const fit: Fit = { single, scales, points, residuals, factor, weights };
  return {
    scales,
    predict: (genome) => predict(fit, genome),
    correctedLosses: () => correct(single, singleFactors(fit, weights)),
    sampleLosses: (random) => sampleLosses(fit, random),
    leaveOneOut: () => leaveOneOut(fit),
    evidence: -0.5 * product(residuals, weights) - halfLogDeterminant(factor),
  };
};

const withNoise =
  (points: readonly AdditiveFeatures[], scales: KernelScales, covariance: typeof residualCovariance) =>
  (row: number, column: number): number =>
    covariance(points[row]!, points[column]!, scales) + (row === column ? scales.noise ** 2 : 0);

const predict = (fit: Fit, genome: Genome): { mean: number; variance: number } => {
  const point = additiveFeatures(genome, fit.single);
  const covariances = Float64Array.from(fit.points, (other) => residualCovariance(point, other, fit.scales));
  const explained = solveLower(fit.factor, covariances);
  const prior = residualCovariance(point, point, fit.scales) + fit.scales.noise ** 2;
  return {
    mean: point.logLoss + product(covariances, fit.weights),
    variance: Math.max(prior - product(explained, explained), 0),
  };
};

/** Log factors [gene][choice] = single^2 times the sum over observations of weight, share and (same choice ? 1 : 1/2). */
const singleFactors = ({ single, scales, points }: Fit, weights: Float64Array): number[][] => {
  const factors = single.losses.map((row) => row.map(() => 0));
  for (const [index, { genome, shares }] of points.entries()) {
    for (const [gene, row] of factors.entries()) {
      const part = scales.single ** 2 * weights[index]! * shares[gene]!;
      for (let choice = 0; choice < row.length; choice++) row[choice]! += genome[gene] === choice ? part : part / 2;
    }
  }
  return factors;
};

const correct = ({ losses }: SingleLosses, factors: readonly (readonly number[])[]): number[][] =>
  losses.map((row, gene) => row.map((loss, choice) => loss * Math.exp(factors[gene]![choice]!)));

/** Matheron's rule: draws from the prior, then corrects the draw by its differences from the observations. */
const sampleLosses = (fit: Fit, random: Random): number[][] => {
  const { single, scales, points, residuals } = fit;
  const prior = single.losses.map((row) => {
    const common = random.normal();
    return row.map(() => scales.single * Math.SQRT1_2 * (common + random.normal()));
  });
  const rest = factorize(points.length, withNoise(points, scales, sharedCovariance));
  const drawn = multiplyLower(
    rest,
    Float64Array.from(points, () => random.normal()),
  );
  const surprise = residuals.map((residual, index) => residual - drawn[index]! - along(points[index]!, prior));
  const moved = singleFactors(fit, solve(fit.factor, surprise));
  return correct(
    single,
    prior.map((row, gene) => row.map((factor, choice) => factor + moved[gene]![choice]!)),
  );
};

const along = ({ genome, shares }: AdditiveFeatures, factors: readonly (readonly number[])[]): number =>
  shares.reduce((sum, share, gene) => sum + share * factors[gene]![genome[gene]!]!, 0);

const leaveOneOut = ({ points, residuals, factor, weights }: Fit): number[] =>
  inverseDiagonal(factor).map(
    (precision, index) => points[index]!.logLoss + residuals[index]! - weights[index]! / precision,
  );

const product = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, index) => sum + value * b[index]!, 0);
