import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { lossCurve } from "./loss-curve.ts";

const logarithmic = (least: number, most: number): fc.Arbitrary<number> =>
  fc.double({ min: Math.log(least), max: Math.log(most), noNaN: true }).map(Math.exp);

describe("lossCurve", () => {
  test.prop([logarithmic(0.1, 10), fc.double({ min: 0.5, max: 1.5, noNaN: true }), logarithmic(1e-4, 1e-1)])(
    "has the slope of a power of the stated loss",
    (factor, power, least) => {
      const loss = (stated: number): number => factor * stated ** power;
      const points = [1, 3, 20].map((times) => ({ stated: least * times, measured: loss(least * times) }));
      const stated = 7 * least;
      const step = 1e-4 * stated;
      const slope = (loss(stated + step) - loss(stated - step)) / (2 * step);
      expect(lossCurve(points)!.slope(stated) / slope).toBeCloseTo(1, 5);
    },
  );

  it("keeps the slope beyond the points", () => {
    const curve = lossCurve([1, 2].map((stated) => ({ stated, measured: stated ** 1.5 })))!;
    expect(curve.slope(8)).toBeCloseTo(curve.slope(2), 10);
    expect(curve.slope(0)).toBeCloseTo(curve.slope(1), 10);
  });

  it.each([0.1, 4])("takes the power %d for noise", (power) => {
    const points = [1, 4].map((stated) => ({ stated, measured: stated ** power }));
    const curve = lossCurve(points)!;
    const found = 1 + Math.log(curve.slope(4) / curve.slope(1)) / Math.log(4);
    expect(found).toBeCloseTo(power < 1 ? 0.5 : 1.5, 10);
  });

  it("does not follow from losses of 0 or one point", () => {
    const point = { stated: 1, measured: 1 };
    for (const points of [[], [point], [point, point], [point, { stated: 2, measured: 0 }]])
      expect(lossCurve(points)).toBeUndefined();
  });
});
