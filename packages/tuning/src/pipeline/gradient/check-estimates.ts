import { halvesOf } from "../../space/halves.ts";
import type { SearchSpace } from "../../space/space.ts";
import { choiceLosses, frontOf, plansOf, LARGE_OUTPUT_ERROR, type Case, type LossesByLayer } from "./half-losses.ts";

/** Halves measured to learn how far estimates are off. */
const CHECKS = 8;

/** Where they lie, spread over keys and values of all layers: twice the layer, plus one for values. */
export const checkedPlaces = (layers: number): number[] => {
  const places = Array.from({ length: CHECKS }, (_, check) => Math.round((check * (2 * layers - 1)) / (CHECKS - 1)));
  return [...new Set(places)];
};

/**
 * Halves to measure as a check: spread over layers, keys and values alike, as two plans store them in turn, the cheapest useful one
 * and one halfway along the front. Those of large errors are left out, since they are doubtful anyway. The same whatever was measured.
 */
export const checkedCases = (space: SearchSpace, losses: LossesByLayer): Case[] => {
  const estimates = losses.map((own) => own.map((half) => ({ ...half, kl: undefined })));
  const [cheapest, middle] = plansOf(frontOf(space, choiceLosses(space, estimates)), 3);
  if (cheapest === undefined) return [];
  return checkedPlaces(losses.length).flatMap((place, check) => {
    const layer = Math.floor(place / 2);
    const plan = check % 2 === 0 ? cheapest : (middle ?? cheapest);
    const half = halvesOf(space).ofChoice[plan[layer]!]![place % 2]!;
    const { estimate, outputError } = losses[layer]![half]!;
    return estimate > 0 && outputError <= LARGE_OUTPUT_ERROR ? [{ layer, half }] : [];
  });
};

/**
 * The least estimate that the check goes by, over the loss of 16 bits in all layers. Subtracting that loss leaves rounding of up to
 * about as much: 10% of such an estimate, which is little beside the spread of 30% and more that models show.
 */
const RESOLVED = 10;

/** Fewer cases tell no spread. */
const LEAST_CASES = 4;

const isResolved = (estimate: number, exact: number): boolean => estimate > 0 && estimate >= RESOLVED * exact;

/**
 * Halves to measure too if fewer than four checked cases stand out from the rounding of 16 bits. For each that does not, the half of
 * the same layer and tensor with the least estimate that does, if its error is not large.
 */
export const replacedCases = (
  space: SearchSpace,
  losses: LossesByLayer,
  cases: readonly Case[],
  exact: number,
): Case[] => {
  const unresolved = cases.filter(({ layer, half }) => !isResolved(losses[layer]![half]!.estimate, exact));
  if (cases.length - unresolved.length >= LEAST_CASES) return [];
  const { ofChoice } = halvesOf(space);
  return unresolved.flatMap(({ layer, half }) => {
    const tensor = ofChoice.some(([key]) => key === half) ? 0 : 1;
    const own = losses[layer]!;
    const [replacement] = [...new Set(ofChoice.map((halves) => halves[tensor]))]
      .filter((other) => isResolved(own[other]!.estimate, exact) && own[other]!.outputError <= LARGE_OUTPUT_ERROR)
      .toSorted((a, b) => own[a]!.estimate - own[b]!.estimate);
    return replacement === undefined ? [] : [{ layer, half: replacement }];
  });
};

/** How far estimates are off. */
export interface Scatter {
  readonly cases: number;
  /** Standard deviation of the logarithm of measured over estimated KL: a factor common to all changes no plan. */
  readonly spread: number;
  /** Rank correlation of estimated and true KL over layers that such a spread leaves. */
  readonly rankCorrelation: number;
}

/** A KL that is lower than the estimate by more counts as lower by so much: little is left of it beside that of 16 bits. */
const LEAST_SHARE = 0.01;

/** Compares measured cases with their estimates. Those that do not stand out from the rounding of 16 bits are left out. */
export const scatterOf = (losses: LossesByLayer, cases: readonly Case[], exact: number): Scatter => {
  const resolved = cases.filter(({ layer, half }) => {
    const { kl, estimate } = losses[layer]![half]!;
    return kl !== undefined && isResolved(estimate, exact);
  });
  const spread = deviation(
    resolved.map(({ layer, half }) => {
      const { kl = 0, estimate } = losses[layer]![half]!;
      return Math.log(Math.max(kl / estimate, LEAST_SHARE));
    }),
  );
  const byHalf = [...new Set(resolved.map(({ half }) => half))].map((half) =>
    deviation(losses.flatMap((own) => (own[half]!.estimate > 0 ? [Math.log(own[half]!.estimate)] : []))),
  );
  const overLayers = byHalf.reduce((sum, each) => sum + each, 0) / byHalf.length;
  const rankCorrelation = spread === 0 ? 1 : overLayers / Math.hypot(overLayers, spread);
  return { cases: resolved.length, spread, rankCorrelation };
};

/** Of a population, from a sample of it; 0 for fewer than two values. */
const deviation = (values: readonly number[]): number => {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
};
