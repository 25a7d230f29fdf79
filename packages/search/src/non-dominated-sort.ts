import { constrainedDominates } from "./dominance.ts";

/**
 * Fronts of indices into `objectives`, best front first, each in ascending order (Deb et al. 2002, section III A).
 * `violations` switches to Deb's constrained dominance. Takes O(objectives x points^2).
 */
export const nonDominatedSort = (
  objectives: readonly (readonly number[])[],
  violations: readonly number[] = [],
): number[][] => {
  const { dominated, dominatorCounts } = compareAll(objectives, violations);
  const fronts: number[][] = [];
  let front = indicesOfZeros(dominatorCounts);
  while (front.length > 0) {
    fronts.push(front);
    front = peel(front, dominated, dominatorCounts);
  }
  return fronts;
};

const compareAll = (
  objectives: readonly (readonly number[])[],
  violations: readonly number[],
): { dominated: number[][]; dominatorCounts: number[] } => {
  const dominated: number[][] = objectives.map(() => []);
  const dominatorCounts = objectives.map(() => 0);
  const beats = (a: number, b: number): boolean =>
    constrainedDominates(objectives[a]!, violations[a] ?? 0, objectives[b]!, violations[b] ?? 0);
  for (let a = 0; a < objectives.length; a++) {
    for (let b = 0; b < objectives.length; b++) {
      if (!beats(a, b)) continue;
      dominated[a]!.push(b);
      dominatorCounts[b]!++;
    }
  }
  return { dominated, dominatorCounts };
};

const indicesOfZeros = (counts: readonly number[]): number[] =>
  counts.flatMap((count, index) => (count === 0 ? [index] : []));

const peel = (front: readonly number[], dominated: readonly number[][], dominatorCounts: number[]): number[] => {
  const next: number[] = [];
  for (const better of front) {
    for (const worse of dominated[better]!) {
      dominatorCounts[worse]!--;
      if (dominatorCounts[worse] === 0) next.push(worse);
    }
  }
  return next.toSorted((a, b) => a - b);
};
