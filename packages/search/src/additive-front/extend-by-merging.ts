import { allocateStates, type Choice, copyState, type States, truncateStates } from "./states.ts";

/**
 * Extends states by a gene by merging the sorted fronts that the choices give, dropping dominated states on the way: exact
 * whatever the range of costs, in O(states x choices x log choices).
 */
export const extendByMerging = (states: States, choices: readonly Choice[]): States => {
  let fronts = choices.map((choice) => shifted(states, choice));
  while (fronts.length > 1) {
    fronts = fronts.flatMap((front, index) => (index % 2 === 1 ? [] : [mergeNext(front, fronts[index + 1])]));
  }
  return fronts[0]!;
};

const shifted = (states: States, choice: Choice): States => ({
  size: states.size,
  costs: states.costs.map((cost) => cost + choice.units),
  losses: states.losses.map((loss) => loss + choice.loss),
  choices: new Uint16Array(states.size).fill(choice.index),
  parents: Int32Array.from({ length: states.size }, (_, parent) => parent),
});

const mergeNext = (a: States, b: States | undefined): States => (b ? mergeFronts(a, b) : a);

const mergeFronts = (a: States, b: States): States => {
  const merged = allocateStates(a.size + b.size);
  let [nextOfA, nextOfB, kept] = [0, 0, 0];
  let least = Infinity;
  while (nextOfA < a.size || nextOfB < b.size) {
    const fromA = nextOfB === b.size || (nextOfA < a.size && precedes(a, nextOfA, b, nextOfB));
    const [source, place] = fromA ? [a, nextOfA++] : [b, nextOfB++];
    if (!(source.losses[place]! < least)) continue;
    least = source.losses[place]!;
    copyState(source, place, merged, kept++);
  }
  return truncateStates(merged, kept);
};

const precedes = (a: States, placeInA: number, b: States, placeInB: number): boolean => {
  const order = a.costs[placeInA]! - b.costs[placeInB]!;
  return order < 0 || (order === 0 && a.losses[placeInA]! <= b.losses[placeInB]!);
};
