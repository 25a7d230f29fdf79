import type { HeadErrors, PairErrors } from "./layer-errors.ts";
import { SensitivityError } from "./layer-input.ts";

/** Running mean of one layer's errors over samples of text. Keeps no sample. */
export interface ErrorMean {
  /**
   * Adds one sample's `measureLayerErrors`. Every sample must have the same pairs in the same order. `weight` defaults to 1.
   */
  add(pairs: readonly PairErrors[], weight?: number): void;
  /** Means so far, in the order of the pairs; empty before the first sample. */
  result(): PairErrors[];
}

/** Starts a mean over samples. Except for rounding, their order does not matter. */
export const createErrorMean = (): ErrorMean => {
  let means: PairErrors[] = [];
  let total = 0;
  return {
    add(pairs, weight = 1) {
      if (!(weight > 0 && Number.isFinite(weight))) {
        throw new SensitivityError(
          "SENSITIVITY_WEIGHT",
          `expected a positive finite weight of a sample, got ${weight}`,
        );
      }
      if (total > 0) assertSamePairs(means, pairs);
      total += weight;
      means = pairs.map((pair, index) => ({
        ...pair,
        errors: moveTo(means[index]?.errors, pair.errors, weight / total),
      }));
    },
    result: () => means.map((pair) => ({ ...pair })),
  };
};

/** The mean after a sample that carries `share` of all weight; the sample itself when it is the first. */
const moveTo = (mean: HeadErrors | undefined, sample: HeadErrors, share: number): HeadErrors => {
  const move = (name: keyof HeadErrors): number[] =>
    sample[name].map((error, head) => {
      const before = mean?.[name][head] ?? error;
      return before + (error - before) * share;
    });
  return { key: move("key"), value: move("value"), attention: move("attention"), output: move("output") };
};

const assertSamePairs = (known: readonly PairErrors[], added: readonly PairErrors[]): void => {
  if (describe(known) === describe(added)) return;
  throw new SensitivityError(
    "SENSITIVITY_PAIRS_DIFFER",
    `expected the same pairs and heads in every sample of a layer, ${describe(known)}, got ${describe(added)}`,
  );
};

const describe = (pairs: readonly PairErrors[]): string =>
  pairs.map(({ keyId, valueId, errors }) => `${keyId}/${valueId} (${errors.key.length} heads)`).join(", ") || "none";
