import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { hypervolume } from "../hypervolume.ts";
import { costAxis } from "./cost-axis.ts";
import { expectedGain, expectedImprovement, gainOverLines } from "./expected-gain.ts";

const [least, most] = [10, 50];
const axis = costAxis(least, most, {});
const reference: [number, number] = [0, most];
const cost = fc.integer({ min: least, max: most + 5 });
const logLoss = fc.integer({ min: -12, max: 2 });
const known = fc.array(fc.record({ cost, logLoss }), { maxLength: 8 });

/** Hypervolume under (log loss, share of costs). */
const volumeOf = (points: readonly { cost: number; logLoss: number }[]): number =>
  hypervolume(
    points.map((point) => [point.logLoss, (point.cost - least) / (most - least)]),
    [reference[0], 1],
  );

test.prop([known, cost, logLoss])("of a loss known for sure is the hypervolume gained", (points, at, loss) => {
  const gained = volumeOf([...points, { cost: at, logLoss: loss }]) - volumeOf(points);
  expect(expectedGain(points, reference, axis)(at, loss, 0)).toBeCloseTo(gained, 9);
});

test.prop([known, cost, logLoss, fc.integer({ min: 1, max: 20 })])(
  "of an uncertain loss is the mean of hypervolumes gained",
  (points, at, mean, tenths) => {
    const deviation = tenths / 10;
    const before = volumeOf(points);
    let [sum, weights] = [0, 0];
    for (let z = -6; z <= 6; z += 0.02) {
      const weight = Math.exp(-0.5 * z * z);
      sum += weight * (volumeOf([...points, { cost: at, logLoss: mean + z * deviation }]) - before);
      weights += weight;
    }
    expect(expectedGain(points, reference, axis)(at, mean, deviation ** 2)).toBeCloseTo(sum / weights, 3);
  },
);

test.prop([fc.integer({ min: 1, max: 9 }), fc.integer({ min: -3, max: 3 }), fc.boolean()])(
  "over lines is how far a loss lies below the line between its neighbours, times half of their distance",
  (tenth, above, hasTwin) => {
    // A dominated point and an unsorted list change nothing.
    const points = [
      { cost: 30, logLoss: -5 },
      { cost: 20, logLoss: -1 },
      ...(hasTwin ? [{ cost: 25, logLoss: 0 }] : []),
    ];
    const gain = gainOverLines(points, axis);
    const line = -1 - 0.4 * tenth;
    expect(gain(20 + tenth, line + above, 0)).toBeCloseTo((Math.max(-above, 0) * 0.25) / 2, 9);
    expect(gain(20 + tenth, line, 1)).toBeCloseTo((expectedImprovement(0, 1) * 0.25) / 2, 9);
    // Beyond the dearest point the line is flat; below the cheapest nothing is known.
    expect(gain(30 + tenth, -5 - tenth, 0)).toBeCloseTo((tenth * 0.5) / 2, 9);
    expect(gain(20 - tenth, -9, 1)).toBe(0);
  },
);

test("an improvement's expectation is that of a normal number above zero", () => {
  expect(expectedImprovement(0, 1)).toBeCloseTo(0.398942, 6);
  expect(expectedImprovement(1, 1)).toBeCloseTo(1.0833155, 6);
  expect(expectedImprovement(-1, 2)).toBeCloseTo(0.3955931, 6);
  expect([expectedImprovement(2, 0), expectedImprovement(-2, 0)]).toEqual([2, 0]);
});

describe("the cost axis", () => {
  const interest = fc.record(
    {
      costRange: fc.tuple(cost, cost).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
      focus: fc.record({ cost: fc.integer({ min: 0, max: 60 }) }),
    },
    { requiredKeys: [] },
  );

  test.prop([interest, cost, cost])("never falls", (made, a, b) => {
    const position = costAxis(least, most, made);
    expect(position(Math.min(a, b))).toBeLessThanOrEqual(position(Math.max(a, b)));
  });

  test("is 1 long, 2 with a focus; half of the focus lies just below it and half is a jump right above it", () => {
    expect([axis(least), axis(20), axis(most)]).toEqual([0, 0.25, 1]);
    const focused = costAxis(least, most, { focus: { cost: 30 } });
    expect([focused(least), focused(30), focused(30.001), focused(most)]).toEqual([
      0,
      1,
      expect.closeTo(1.5, 3),
      expect.closeTo(2, 9),
    ]);
    expect(focused(30 - 0.08 * 40)).toBeCloseTo(0.42, 9);
  });

  test("a focus on all there is counts too", () => {
    expect(costAxis(least, most, { focus: { cost: 1000 } })(most)).toBeCloseTo(2, 9);
  });
});
