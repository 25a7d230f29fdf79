import type { Evaluation } from "../ask-tell.ts";
import { crowdingDistance } from "../crowding.ts";
import { nonDominatedSort } from "../non-dominated-sort.ts";
import type { Random } from "../random.ts";

/** A member of the population: `rank` is its front (0 the best), `crowding` its distance to neighbours on that front. */
export interface Ranked {
  readonly evaluation: Evaluation;
  readonly rank: number;
  readonly crowding: number;
}

/** The best `size` of all, best first: whole fronts, and of the front that no longer fits the least crowded. */
export const survive = (all: readonly Evaluation[], size: number): Ranked[] => {
  const fronts = nonDominatedSort(
    all.map(({ objectives }) => objectives),
    all.map(({ constraintViolation }) => constraintViolation ?? 0),
  );
  return fronts.flatMap((front, rank) => rankedFront(front, rank, all)).slice(0, size);
};

const rankedFront = (front: readonly number[], rank: number, all: readonly Evaluation[]): Ranked[] => {
  const evaluations = front.map((index) => all[index]!);
  const distances = crowdingDistance(evaluations.map(({ objectives }) => objectives));
  return evaluations
    .map((evaluation, index) => ({ evaluation, rank, crowding: distances[index]! }))
    .toSorted((a, b) => descending(a.crowding, b.crowding));
};

/** Two draws; the lower rank wins, then the less crowded, then the first drawn. */
export const tournament = (population: readonly Ranked[], random: Random): Ranked => {
  const first = population[random.below(population.length)]!;
  const second = population[random.below(population.length)]!;
  const order = first.rank - second.rank || descending(first.crowding, second.crowding);
  return order <= 0 ? first : second;
};

/** Unlike a subtraction, right for two infinities. */
const descending = (a: number, b: number): number => (a === b ? 0 : b > a ? 1 : -1);
