import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { neighbourhoods, spreadWeights } from "./weights.ts";

test.prop([fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 120 })])(
  "weights are different shares of 1, spread the same for every objective, and as many as may be",
  (objectives, most) => {
    const weights = spreadWeights(objectives, most);
    for (const vector of weights) {
      expect(vector).toHaveLength(objectives);
      expect(Math.min(...vector)).toBeGreaterThanOrEqual(0);
      expect(vector.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
    }
    expect(new Set(weights.map(String)).size).toBe(weights.length);
    expect(weights.length).toBeLessThanOrEqual(Math.max(most, objectives));
    if (objectives === 2) expect(weights).toHaveLength(most);
    const turned = weights.map((vector) => [...vector.slice(1), vector[0]]);
    expect(new Set(turned.map(String))).toEqual(new Set(weights.map(String)));
  },
);

test("three objectives in steps of a half, and the neighbours of a corner and of an edge", () => {
  const weights = spreadWeights(3, 9);
  expect(weights).toEqual([
    [0, 0, 1],
    [0, 0.5, 0.5],
    [0, 1, 0],
    [0.5, 0, 0.5],
    [0.5, 0.5, 0],
    [1, 0, 0],
  ]);
  const closest = neighbourhoods(weights, 3);
  expect(closest[5]).toEqual([5, 3, 4]);
  expect(closest[1]!.slice(0, 1)).toEqual([1]);
});
