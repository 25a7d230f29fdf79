import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { constrainedDominates, dominates } from "./dominance.ts";
import { nonDominatedSort } from "./non-dominated-sort.ts";

/** Small integers, so that equal coordinates and equal points are common. */
const pointsOf = (objectives: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.nat(6), { minLength: objectives, maxLength: objectives }), { maxLength: 25 });

const points = fc.integer({ min: 1, max: 4 }).chain(pointsOf);

/** 0 and below count as allowed. */
const violation = fc.constantFrom(-1, 0, 0, 0, 1, 2);

/** The definition of dominance, said the other way round: not worse anywhere, and not equal. */
const beats = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((value, index) => value <= b[index]!) && a.join() !== b.join();

const beatsUnderConstraint = (a: readonly number[], v: number, b: readonly number[], w: number): boolean => {
  const [allowedA, allowedB] = [v <= 0, w <= 0];
  if (allowedA && allowedB) return beats(a, b);
  return allowedA !== allowedB ? allowedA : v < w;
};

/** Takes away the points that nothing left beats, until none is left. */
const sortByPeeling = (all: readonly number[][], violations: readonly number[]): number[][] => {
  const fronts: number[][] = [];
  let left = [...all.keys()];
  while (left.length > 0) {
    const better = (a: number, b: number): boolean =>
      beatsUnderConstraint(all[a]!, violations[a] ?? 0, all[b]!, violations[b] ?? 0);
    const front = left.filter((index) => !left.some((other) => better(other, index)));
    fronts.push(front);
    left = left.filter((index) => !front.includes(index));
  }
  return fronts;
};

test.prop([points])("sorts into the fronts that peeling gives, each in ascending order", (all) => {
  expect(nonDominatedSort(all)).toEqual(sortByPeeling(all, []));
});

test.prop([points, fc.array(violation, { minLength: 25, maxLength: 25 })])(
  "sorts by violation first, then by dominance",
  (all, violations) => {
    expect(nonDominatedSort(all, violations)).toEqual(sortByPeeling(all, violations));
  },
);

test.prop([fc.integer({ min: 1, max: 4 }).chain((width) => fc.tuple(pointsOf(width), pointsOf(width)))])(
  "dominance is its definition",
  ([left, right]) => {
    for (const a of left) for (const b of right) expect(dominates(a, b)).toBe(beats(a, b));
  },
);

test.prop([fc.array(fc.tuple(fc.array(fc.nat(3), { minLength: 2, maxLength: 2 }), violation), { maxLength: 8 })])(
  "constrained dominance is a strict partial order",
  (all) => {
    const over = (a: number, b: number): boolean => constrainedDominates(...all[a]!, ...all[b]!);
    for (const a of all.keys()) {
      expect(over(a, a)).toBe(false);
      for (const b of all.keys()) {
        if (over(a, b)) expect(over(b, a)).toBe(false);
        for (const c of all.keys()) if (over(a, b) && over(b, c)) expect(over(a, c)).toBe(true);
      }
    }
  },
);

test("infinite objectives compare like others", () => {
  expect(
    nonDominatedSort([
      [Infinity, 0],
      [0, Infinity],
      [Infinity, Infinity],
    ]),
  ).toEqual([[0, 1], [2]]);
});
