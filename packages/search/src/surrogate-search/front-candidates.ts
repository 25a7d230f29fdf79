import { additiveFrontTable, type FrontTable } from "../additive-front/additive-front.ts";
import type { Genome } from "../ask-tell.ts";
import { logOfLoss } from "./additive-features.ts";
import type { SurrogateProblem } from "./problem.ts";

/**
 * At most `count` genomes of the front of given single losses, evenly spread: equal steps along the front drawn with the
 * cost axis and the logarithm of loss each scaled to length 1. Genomes beyond the reference are left out.
 */
export const spreadOverFront = (
  problem: SurrogateProblem,
  losses: readonly (readonly number[])[],
  count: number,
): Genome[] => {
  const table = additiveFrontTable({ costs: problem.options.costs, losses, resolution: problem.resolution });
  const inside = indicesInside(problem, table);
  const lengths = lengthsAlong(problem, table, inside);
  return evenly(lengths, count).map((place) => table.genome(inside[place]!));
};

const indicesInside = ({ single, reference }: SurrogateProblem, { losses, costs, size }: FrontTable): number[] => {
  const all = Array.from({ length: size }, (_, index) => index);
  const inside = all.filter(
    (index) => logOfLoss(losses[index]!, single.floor) <= reference[0] && costs[index]! <= reference[1],
  );
  return inside.length > 0 ? inside : all;
};

/** Distance along the front from its first point to each. */
const lengthsAlong = ({ axis, single }: SurrogateProblem, table: FrontTable, indices: readonly number[]): number[] => {
  const positions = indices.map((index) => axis(table.costs[index]!));
  const logLosses = indices.map((index) => logOfLoss(table.losses[index]!, single.floor));
  const positionRange = positions.at(-1)! - positions[0]! || 1;
  const lossRange = logLosses[0]! - logLosses.at(-1)! || 1;
  let length = 0;
  return positions.map((position, place) => {
    const step = (position - (positions[place - 1] ?? position)) / positionRange;
    // Losses count only at costs that count.
    if (step > 0) length += step + (logLosses[place - 1]! - logLosses[place]!) / lossRange;
    return length;
  });
};

/** Places whose lengths are nearest to equal steps, ends included, each once. */
const evenly = (lengths: readonly number[], count: number): number[] => {
  const places = new Set<number>();
  let place = 0;
  for (let step = 0; step < count; step++) {
    const target = count === 1 ? lengths.at(-1)! / 2 : (lengths.at(-1)! * step) / (count - 1);
    while (place + 1 < lengths.length && nearer(lengths[place + 1]!, lengths[place]!, target)) place++;
    places.add(place);
  }
  return [...places];
};

const nearer = (next: number, current: number, target: number): boolean =>
  Math.abs(next - target) <= Math.abs(current - target);
