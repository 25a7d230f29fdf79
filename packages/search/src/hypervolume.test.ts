import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { hypervolume } from "./hypervolume.ts";

const SIDE = 7;

/** Integer points, some of them on or beyond the reference. */
const pointsOf = (objectives: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.integer({ min: -2, max: SIDE + 1 }), { minLength: objectives, maxLength: objectives }), {
    maxLength: 12,
  });

const cells = (objectives: number): number[][] => {
  let all: number[][] = [[]];
  for (let axis = 0; axis < objectives; axis++) {
    all = all.flatMap((cell) => Array.from({ length: SIDE + 2 }, (_, place) => [...cell, place - 2]));
  }
  return all;
};

describe.each([2, 3])("of %i objectives", (objectives) => {
  const grid = cells(objectives);
  const reference = Array.from({ length: objectives }, () => SIDE);

  test.prop([pointsOf(objectives)])("counts the unit cells that a point dominates", (points) => {
    const dominated = grid.filter((cell) => points.some((point) => point.every((value, axis) => value <= cell[axis]!)));
    expect(hypervolume(points, reference)).toBe(dominated.length);
  });

  test.prop([pointsOf(objectives).chain((points) => fc.tuple(fc.constant(points), fc.shuffledSubarray(points)))])(
    "never grows when points go, whatever their order",
    ([points, fewer]) => {
      expect(hypervolume(fewer, reference)).toBeLessThanOrEqual(hypervolume(points, reference));
      expect(hypervolume([...points, ...fewer], reference)).toBe(hypervolume(points, reference));
    },
  );
});

test.prop([pointsOf(3), fc.nat(4)])("of a flat front is the area times the height", (points, depth) => {
  const flat = points.map(([x, y]) => [x!, y!]);
  const raised = flat.map((point) => [...point, SIDE - depth]);
  expect(hypervolume(raised, [SIDE, SIDE, SIDE])).toBe(hypervolume(flat, [SIDE, SIDE]) * depth);
});

test.each([
  { points: [[1]], reference: [2] },
  { points: [], reference: [1, 1, 1, 1] },
  { points: [[1, 2, 3]], reference: [4, 4] },
  { points: [[1, 2]], reference: [4, Number.NaN] },
  { points: [[1, 2]], reference: [4, Infinity] },
  { points: [[1, Number.NaN]], reference: [4, 4] },
])("refuses points $points against $reference", ({ points, reference }) => {
  expect(() => hypervolume(points, reference)).toThrow(expect.objectContaining({ code: "SEARCH_BAD_REFERENCE" }));
});
