import type { Genome } from "../ask-tell.ts";

/** What the surrogate sees of a genome: its summed loss, in logarithm, and each gene's share of that sum. */
export interface AdditiveFeatures {
  readonly genome: Genome;
  readonly logLoss: number;
  readonly shares: Float64Array;
}

/** Single-gene losses, cleaned: negative ones (measurement noise around nothing) count as 0. */
export interface SingleLosses {
  readonly losses: readonly (readonly number[])[];
  /** Smallest loss that counts as more than none, so that logarithms stay finite. */
  readonly floor: number;
}

/** Seven decades below the worst single loss, nothing can be measured. */
const RESOLVABLE_SHARE = 1e-7;

/** Cleans the losses and finds their floor. */
export const cleanLosses = (losses: readonly (readonly number[])[]): SingleLosses => {
  const cleaned = losses.map((row) => row.map((loss) => Math.max(loss, 0)));
  const positive = cleaned.flat().filter((loss) => loss > 0);
  const largest = positive.reduce((a, b) => Math.max(a, b), 0);
  const smallest = positive.reduce((a, b) => Math.min(a, b), Infinity);
  return { losses: cleaned, floor: largest === 0 ? 1 : Math.max(smallest, largest * RESOLVABLE_SHARE) };
};

/** Natural logarithm of a loss, or of the floor below it. */
export const logOfLoss = (loss: number, floor: number): number => Math.log(Math.max(loss, floor));

/** Features of one genome. */
export const additiveFeatures = (genome: Genome, { losses, floor }: SingleLosses): AdditiveFeatures => {
  const parts = Float64Array.from(genome, (choice, gene) => losses[gene]![choice]!);
  const sum = Math.max(
    parts.reduce((total, part) => total + part, 0),
    floor,
  );
  return { genome, logLoss: Math.log(sum), shares: parts.map((part) => part / sum) };
};
