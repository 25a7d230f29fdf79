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
 * numbers are exact; for fractions (0.1 bits) a common unit is looked for with a relative tolerance of 1e-9.
 * Throws `SEARCH_BAD_COSTS` when a cost is not finite or no common unit exists.
 */
export const costUnits = (costs: readonly (readonly number[])[]): CostUnits => {
  const leasts = costs.map((row) => Math.min(...row));
  const shifted = costs.map((row, gene) => row.map((cost) => cost - leasts[gene]!));
  const flat = shifted.flat();
  const tolerance = flat.every(Number.isSafeInteger) ? 0 : Math.max(...flat) * 1e-9;
  const unit = flat.reduce((divisor, cost) => commonDivisor(divisor, cost, tolerance), 0) || 1;
  const units = shifted.map((row) => row.map((cost) => Math.round(cost / unit)));
  const range = units.reduce((sum, row) => sum + Math.max(...row), 0);
  checkUnits(flat, unit, range);
  return { unit, units, least: leasts.reduce((sum, cost) => sum + cost, 0), range };
};

/** Euclid's algorithm; a remainder of no more than `tolerance` counts as none. */
const commonDivisor = (a: number, b: number, tolerance: number): number => {
  let [large, small] = a > b ? [a, b] : [b, a];
  while (small > tolerance) [large, small] = [small, remainder(large, small, tolerance)];
  return large;
};

const remainder = (large: number, small: number, tolerance: number): number => {
  const rest = large % small;
  return small - rest <= tolerance ? 0 : rest;
};

const checkUnits = (costs: readonly number[], unit: number, range: number): void => {
  const whole = costs.every((cost) => Math.abs(cost / unit - Math.round(cost / unit)) <= 1e-3);
  if (whole && Number.isSafeInteger(range)) return;
  throw new SearchError(
    "SEARCH_BAD_COSTS",
    "Expected finite costs that are whole multiples of a common unit (bits or bytes), got others. Round them to one.",
  );
};
