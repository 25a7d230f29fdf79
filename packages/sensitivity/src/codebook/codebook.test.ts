import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { channelRanges } from "./channel-ranges.ts";
import { addWeighted, levelHistogram, weightedLevels } from "./weighted-levels.ts";

interface Weighted {
  readonly x: number;
  readonly weight: number;
}

const levelsOf = (numbers: readonly Weighted[], count: number): Float32Array => {
  const histogram = levelHistogram();
  for (const { x, weight } of numbers) addWeighted(histogram, x, weight);
  return weightedLevels(histogram, count);
};

const errorOf = (numbers: readonly Weighted[], levels: Iterable<number>): number =>
  numbers.reduce((sum, { x, weight }) => sum + weight * Math.min(...[...levels].map((level) => (x - level) ** 2)), 0);

/** The least error over all ways to cut sorted numbers into clusters, each with its weighted mean. */
const leastError = (numbers: readonly Weighted[], count: number): number => {
  if (numbers.length === 0) return 0;
  if (count === 0) return Infinity;
  return Math.min(
    ...numbers.map((_, cut) => {
      const own = numbers.slice(cut);
      const total = own.reduce((sum, { weight }) => sum + weight, 0);
      const mean = own.reduce((sum, { x, weight }) => sum + (weight * x) / total, 0);
      return leastError(numbers.slice(0, cut), count - 1) + errorOf(own, [mean]);
    }),
  );
};

/** Numbers in the middle of different bins, so that binning changes nothing. */
const anyNumbers = fc
  .uniqueArray(fc.record({ bin: fc.integer({ min: 0, max: 4095 }), weight: fc.integer({ min: 1, max: 1000 }) }), {
    selector: ({ bin }) => bin,
    minLength: 1,
    maxLength: 9,
  })
  .map((bins) =>
    bins
      .map(({ bin, weight }): Weighted => ({ x: (2 * bin + 1) / 4096 - 1, weight }))
      .toSorted((one, other) => one.x - other.x),
  );

test.prop([anyNumbers, fc.constantFrom(1, 2, 4)])("levels have the least weighted squared error", (numbers, count) => {
  const levels = levelsOf(numbers, count);
  expect(levels).toHaveLength(count);
  expect([...levels]).toEqual([...levels].toSorted((one, other) => one - other));
  expect(errorOf(numbers, levels)).toBeLessThanOrEqual(leastError(numbers, count) + 1e-6);
});

/** Max (1960), table of the 4-level quantizer of a normal distribution: 0.4528 and 1.510, a mean squared error of 0.1175. */
it("levels of a normal distribution are Max's", () => {
  const numbers = Array.from({ length: 4001 }, (_, index): Weighted => {
    const x = (index - 2000) / 400;
    return { x: x / 5, weight: Math.exp((-x * x) / 2) };
  });
  const levels = Array.from(levelsOf(numbers, 4), (level) => 5 * level);
  for (const [index, level] of [-1.51, -0.4528, 0.4528, 1.51].entries())
    expect(Math.abs(levels[index]! - level)).toBeLessThan(2e-3);
});

it("heavy numbers get more levels", () => {
  const numbers = Array.from({ length: 200 }, (_, index): Weighted => ({
    x: index / 100 - 1,
    weight: index < 100 ? 64 : 1,
  }));
  expect(levelsOf(numbers, 8).filter((level) => level < 0).length).toBeGreaterThan(5);
});

it("fewer numbers than levels repeat the last", () => {
  expect([
    ...levelsOf(
      [
        { x: -0.5, weight: 1 },
        { x: 0.25, weight: 2 },
        { x: 3, weight: 1 },
      ],
      4,
    ),
  ]).toEqual([-0.5, 0.25, 1, 1]);
});

it.each([
  [0, "CALIBRATION_NO_GRADIENTS"],
  [NaN, "CALIBRATION_NOT_FINITE"],
  [Infinity, "CALIBRATION_NOT_FINITE"],
])("weights of %d are rejected", (weight, code) => {
  expect(() => levelsOf([{ x: 0.5, weight }], 4)).toThrow(expect.objectContaining({ code }) as Error);
});

it("ranges reach from percentile to percentile of each channel", () => {
  // Channel 0 has 0, 1, ..., 100 in some order, channel 1 ten times that less 500.
  const rows = Float32Array.from({ length: 202 }, (_, index) => {
    const number = ((index >> 1) * 37) % 101;
    return index % 2 === 0 ? number : 10 * number - 500;
  });
  expect(channelRanges(rows, 2, 0)).toEqual({ scales: Float32Array.of(50, 500), offsets: Float32Array.of(50, 0) });
  const { scales, offsets } = channelRanges(rows, 2, 0.01);
  expect(scales[0]).toBeCloseTo(49.5, 5);
  expect(offsets[0]).toBeCloseTo(50, 5);
  expect(scales[1]).toBeCloseTo(495, 4);
});
