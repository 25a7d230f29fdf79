import { SearchError } from "../search-error.ts";

/** Costs as whole multiples of a common unit, each gene's least cost taken off. */
export interface CostUnits {
  /** The unit, in the unit of the costs given. */
  readonly unit: number;
  /** Whole numbers [gene][choice]; each gene's least is 0. */
  readonly units: readonly (readonly number[])[];
  /** Cost of the genome with every gene at its least cost. */
  readonly least: number;
  /** Greatest sum of units over all genomes. */
  readonly range: number;
}

/**
 * Divides costs by their greatest common divisor: the smaller the range, the fewer states the dynamic program has. Whole
 * numbers are exact; for fractions (0.1 bits) a unit is found of which the largest cost is up to about 10^8.
 * Throws `SEARCH_BAD_COSTS` when a cost is not finite or no common unit exists.
 */
export const costUnits = (costs: readonly (readonly number[])[]): CostUnits => {
  const leasts = costs.map((row) => row.reduce((a, b) => Math.min(a, b)));
  const shifted = costs.map((row, gene) => row.map((cost) => cost - leasts[gene]!));
  const flat = shifted.flat();
  const unit = (flat.every(Number.isSafeInteger) ? flat.reduce(commonDivisor, 0) : fractionalUnit(flat)) || 1;
  const units = shifted.map((row) => row.map((cost) => Math.round(cost / unit)));
  const range = units.reduce((sum, row) => sum + row.reduce((a, b) => Math.max(a, b)), 0);
  assertUnits(flat, unit, range);
  return { unit, units, least: leasts.reduce((sum, cost) => sum + cost, 0), range };
};

/** Euclid's algorithm on whole numbers. */
const commonDivisor = (a: number, b: number): number => {
  let [large, small] = [a, b];
  while (small > 0) [large, small] = [small, large % small];
  return large;
};

/**
 * The largest cost over the least common denominator of all costs' shares in it. Euclid's algorithm would add up rounding
 * errors until large costs could not be counted in the unit found.
 */
const fractionalUnit = (costs: readonly number[]): number => {
  const largest = costs.reduce((a, b) => Math.max(a, b), 0);
  const denominators = costs.map((cost) => denominatorOf(cost / largest));
  return largest / denominators.reduce((a, b) => (a / commonDivisor(a, b)) * b, 1);
};

/** How far a share times its denominator may be from a whole number. */
const TOLERANCE = 1e-9;

/** Least denominator of a share, up to rounding. Tries the denominators of its continued fraction in turn. */
const denominatorOf = (share: number): number => {
  let [before, denominator, rest] = [0, 1, share];
  while (Math.abs(share * denominator - Math.round(share * denominator)) > TOLERANCE) {
    rest = 1 / (rest - Math.floor(rest));
    [before, denominator] = [denominator, Math.floor(rest) * denominator + before];
  }
  return denominator;
};

const assertUnits = (costs: readonly number[], unit: number, range: number): void => {
  const whole = costs.every((cost) => Math.abs(cost / unit - Math.round(cost / unit)) <= 1e-3);
  if (whole && Number.isSafeInteger(range)) return;
  throw new SearchError(
    "SEARCH_BAD_COSTS",
    "expected finite costs that are multiples of a common unit (bits or bytes), got others; round them to one",
  );
};
