import type { Evaluation } from "../ask-tell.ts";

/** A weight of 0 would drop an objective from its subproblem, which would then accept any value of it. */
const LEAST_WEIGHT = 1e-3;

/** The smallest value received of each objective and the largest value held; objectives are scaled by this range. */
export interface Range {
  readonly ideal: readonly number[];
  readonly nadir: readonly number[];
}

/**
 * Tchebycheff's decomposition (Zhang and Li 2007, equations 4 and 12): the largest weighted distance from the ideal point, each
 * objective as a share of its range.
 */
export const tchebycheff = (
  objectives: readonly number[],
  weights: readonly number[],
  { ideal, nadir }: Range,
): number =>
  Math.max(
    ...objectives.map((value, index) => {
      const span = nadir[index]! - ideal[index]!;
      return (Math.max(weights[index]!, LEAST_WEIGHT) * (value - ideal[index]!)) / (span > 0 ? span : 1);
    }),
  );

/** True when `candidate` serves a subproblem at least as well as its incumbent; the lesser violation goes first, as with Deb. */
export const serves = (
  candidate: Evaluation,
  incumbent: Evaluation | undefined,
  weights: readonly number[],
  range: Range,
): boolean => {
  if (incumbent === undefined) return true;
  const [ours, theirs] = [violationOf(candidate), violationOf(incumbent)];
  if (ours !== theirs) return ours < theirs;
  return tchebycheff(candidate.objectives, weights, range) <= tchebycheff(incumbent.objectives, weights, range);
};

/** The range of the results held and one more; the ideal never gets worse. */
export const rangeOf = (ideal: readonly number[] | undefined, held: readonly Evaluation[]): Range => {
  const columns = held[0]!.objectives.map((_, index) => held.map(({ objectives }) => objectives[index]!));
  return {
    ideal: columns.map((values, index) =>
      values.reduce((least, value) => Math.min(least, value), ideal?.[index] ?? Infinity),
    ),
    nadir: columns.map((values) => values.reduce((most, value) => Math.max(most, value), -Infinity)),
  };
};

const violationOf = ({ constraintViolation = 0 }: Evaluation): number => Math.max(0, constraintViolation);
