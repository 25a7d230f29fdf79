import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { relativeError } from "./index.ts";

/** Error of an element x read as 1/2, beside a 1. */
const beside = (x: number): number => relativeError([x, 1], [0.5, 1]);

describe("relativeError", () => {
  it("is the paper's mean of |x - y| / |x| where no element is small", () => {
    expect(relativeError([1, 2, -4], [1.5, 2, -3])).toBeCloseTo((0.5 + 0 + 0.25) / 3, 15);
  });

  it("divides small elements by a hundredth of the vector's root mean square", () => {
    const rms = Math.sqrt((100 + 0 + 100 + 0) / 4);
    expect(relativeError([10, 0, -10, 0], [10, 0.01, -10, 0])).toBeCloseTo(0.01 / (0.01 * rms) / 4, 12);
  });

  it("divides by the smallest float16 where the whole vector is zero", () => {
    expect(relativeError([0, 0], [2 ** -24, 0])).toBe(0.5);
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([], [])).toBe(0);
  });

  const element = fc.oneof(
    fc.double({ min: -1e4, max: 1e4, noNaN: true }),
    fc.integer({ min: -1e6, max: 1e6 }).map((n) => n / 101),
    fc.constantFrom(0, -0, 5e-324, -(2 ** -24), 2 ** -24, 65504),
  );
  const anyDirection = fc.integer({ min: -100, max: 100 }).map((n) => n / 101);
  const vectors = fc.array(fc.tuple(element, element, anyDirection), {
    minLength: 1,
    maxLength: 9,
  });

  test.prop([vectors])("is finite, not negative, and zero for equal vectors", (rows) => {
    const x = rows.map(([exact]) => exact);
    const error = relativeError(
      x,
      rows.map(([, approximate]) => approximate),
    );
    expect(Number.isFinite(error)).toBe(true);
    expect(error).toBeGreaterThanOrEqual(0);
    expect(relativeError(x, x)).toBe(0);
  });

  const near = fc.oneof(
    fc.integer({ min: -200, max: 200 }).map((n) => n / 101),
    fc.integer({ min: -100, max: 100 }).map((n) => n / 10_007),
    fc.double({ min: -0.01, max: 0.01, noNaN: true }),
    fc.constant(0),
  );
  const nearRows = fc.array(fc.tuple(near, near, anyDirection), {
    minLength: 1,
    maxLength: 8,
  });

  test.prop([nearRows])("moves by at most a bound when the exact vector moves a little", (rows) => {
    const step = 2 ** -32;
    const x = [1, ...rows.map(([exact]) => exact)];
    const y = [1, ...rows.map(([, approximate]) => approximate)];
    const nudged = [1, ...rows.map(([exact, , direction]) => exact + direction * step)];
    // A quotient |x - y| / d moves by at most step / d + |x - y| step / d^2, and d is at least a hundredth of the RMS.
    const floor = (0.01 / Math.sqrt(x.length)) * 0.999;
    const moved = Math.abs(relativeError(nudged, y) - relativeError(x, y));
    expect(moved).toBeLessThanOrEqual((step / floor) * (1 + 4.001 / floor));
  });

  it("does not jump when an element crosses the floor or zero", () => {
    // The floor lies near 0.0071, where the error falls by at most 5100 a unit.
    const step = 1e-6;
    const jumps = Array.from({ length: 20_001 }, (_, index) => (index - 10_000) * step).map((x) =>
      Math.abs(beside(x + step) - beside(x)),
    );
    expect(Math.max(...jumps)).toBeLessThan(6000 * step);
  });

  const moderate = fc.integer({ min: -900, max: 900 }).map((n) => n / 101);
  test.prop([
    fc.array(fc.tuple(moderate, moderate), {
      minLength: 1,
      maxLength: 9,
    }),
    fc.integer({ min: -4, max: 8 }),
  ])("does not change when both vectors are scaled by a power of two", (rows, exponent) => {
    const x = [1, ...rows.map(([exact]) => exact)];
    const y = [1, ...rows.map(([, approximate]) => approximate)];
    const scaled = (values: number[]): number[] => values.map((value) => value * 2 ** exponent);
    expect(relativeError(scaled(x), scaled(y))).toBe(relativeError(x, y));
  });
});
