import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { crowdingDistance } from "./crowding.ts";

test("gives the ends infinity and a middle point its neighbours' gaps", () => {
  // The last two share the least second objective: the first of them is its end.
  const front = [
    [0, 4],
    [1, 3],
    [6, 0],
    [8, 0],
  ];
  expect(crowdingDistance(front.slice(0, 3))).toEqual([Infinity, 6 / 6 + 4 / 4, Infinity]);
  expect(crowdingDistance(front)).toEqual([Infinity, 6 / 8 + 4 / 4, Infinity, Infinity]);
});

test("adds up over three objectives", () => {
  expect(
    crowdingDistance([
      [0, 10, 5],
      [2, 4, 5],
      [3, 3, 5],
      [10, 0, 5],
    ]),
  ).toEqual([Infinity, 0.3 + 0.7, 0.8 + 0.4, Infinity]);
});

test("gives nothing to equal points, to no points, and infinity to one of a differing pair's ends", () => {
  expect(crowdingDistance([])).toEqual([]);
  expect(crowdingDistance([[1, 2]])).toEqual([0]);
  expect(crowdingDistance(Array.from({ length: 3 }, () => [1, 2]))).toEqual([0, 0, 0]);
});

const front = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { maxLength: 20 });

test.prop([front, fc.integer({ min: 1, max: 9 }), fc.integer({ min: -50, max: 50 })])(
  "does not depend on an objective's scale",
  (points, scale, shift) => {
    const moved = points.map(([x, y]) => [x * 2 ** scale + shift * 2 ** scale, y]);
    expect(crowdingDistance(moved)).toEqual(crowdingDistance(points));
  },
);

test.prop([front])("of two objectives gives no inner point more than 2", (points) => {
  for (const distance of crowdingDistance(points)) expect(distance === Infinity || distance <= 2).toBe(true);
});
