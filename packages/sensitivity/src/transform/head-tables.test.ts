import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { headTables } from "./head-tables.ts";
import { transformed } from "./linear-transform.ts";
import { tokenWeights } from "./moments.ts";
import { tokenGains } from "./token-gains.ts";

const LEVELS = [
  [-0.798, 0.798],
  [-1.51, -0.453, 0.453, 1.51],
  [-2.152, -1.344, -0.756, -0.245, 0.245, 0.756, 1.344, 2.152],
];

interface Samples {
  readonly size: number;
  readonly rows: Float32Array;
  readonly gradients: readonly Float32Array[];
}

/** Correlated rows with a mean, and gradients whose sizes differ by token. */
const samples = (): fc.Arbitrary<Samples> =>
  fc.record({ size: fc.integer({ min: 1, max: 5 }), seed: fc.integer() }).map(({ size, seed }) => {
    const next = normals(seed);
    const mix = Array.from({ length: size * size }, next);
    const drawn = (scale: () => number, mean: number): Float32Array =>
      Float32Array.from(
        Array.from({ length: 60 }, () => {
          const [own, factor] = [Array.from({ length: size }, next), scale()];
          return own.map(
            (_, i) => mean * i + factor * own.reduce((sum, x, j) => sum + mix[i * size + j]! * x, own[i]!),
          );
        }).flat(),
      );
    const gradients = [0, 1].map(() => drawn(() => Math.exp(next()), 0));
    return { size, rows: drawn(() => 1, 3), gradients };
  });

describe("headTables", () => {
  test.prop([samples()], { numRuns: 40 })("keeps errors in the metric, and inverts", ({ size, rows, gradients }) => {
    const { transform } = headTables({ size, rows, gradients }, "karhunen-loeve", LEVELS);
    const { forward, backward } = transform.matrices!;
    expectNear(product(forward, backward, size), identity(size));
    expectNear(product(forward, transposed(forward, size), size), slowMetric(gradients, size));
  });

  test.prop([samples()], { numRuns: 40 })("makes channels uncorrelated, with the stated variances", (own) => {
    const { transform } = headTables(own, "karhunen-loeve", LEVELS);
    const weights = tokenWeights(own.gradients, own.size);
    const covariance = slowCovariance(transformed(own.rows, transform), weights, own.size);
    expectNear(
      covariance,
      identity(own.size).map((one, index) => one * transform.variances[index % own.size]!),
    );
  });

  test.prop([samples()], { numRuns: 40 })("gains at least what channels by themselves gain", (own) => {
    const [transform, channels] = (["karhunen-loeve", "channels"] as const).map(
      (form) => headTables(own, form, LEVELS).transform,
    );
    const logarithm = (variances: Float64Array): number => variances.reduce((sum, x) => sum + Math.log(x), 0);
    expect(logarithm(transform!.variances)).toBeLessThanOrEqual(logarithm(channels!.variances) + 1e-9);
  });

  test.prop([samples(), fc.constantFrom("channels" as const, "karhunen-loeve" as const)], { numRuns: 40 })(
    "states the weighted errors that its fits leave",
    (own, form) => {
      const { transform, fits } = headTables(own, form, LEVELS);
      const rows = transformed(own.rows, transform);
      const gains = tokenGains(rows, transform.variances);
      const weights = tokenWeights(own.gradients, own.size);
      for (const [channel, byWidth] of fits.entries())
        for (const [width, { centre, deviation, distortion }] of byWidth.entries()) {
          const read = width === 0 ? [0] : LEVELS[width - 1]!.map((level) => centre + deviation * level);
          const errors = Array.from(gains, (gain, token) => {
            const z = rows[token * own.size + channel]!;
            return weights[token]! * Math.min(...read.map((number) => (z - gain * number) ** 2));
          });
          const slow = errors.reduce((sum, error) => sum + error, 0) / gains.length;
          expect(Math.abs(distortion - slow)).toBeLessThanOrEqual(1e-9 * (slow + transform.variances[channel]!));
        }
    },
  );

  it("rejects gradients that are not finite, or none", () => {
    const rows = Float32Array.from([1, 2, 3, 4]);
    const tables = (numbers: readonly number[]): unknown =>
      headTables({ size: 2, rows, gradients: [Float32Array.from(numbers)] }, "channels", LEVELS);
    expect(() => tables([1, NaN, 0, 0])).toThrow(expect.objectContaining({ code: "CALIBRATION_NOT_FINITE" }));
    expect(() => tables([0, 0, 0, 0])).toThrow(expect.objectContaining({ code: "CALIBRATION_NO_GRADIENTS" }));
  });
});

describe("tokenWeights", () => {
  test.prop([samples()], { numRuns: 40 })("average 1, and are never below a tenth", ({ gradients, size }) => {
    const weights = tokenWeights(gradients, size);
    expect(weights.reduce((sum, weight) => sum + weight, 0) / weights.length).toBeCloseTo(1, 9);
    expect(Math.min(...weights)).toBeGreaterThanOrEqual(0.1 - 1e-12);
  });
});

describe("tokenGains", () => {
  it("rounds to quarters of an octave within the range", () => {
    const gains = [1e-3, 0.25, 0.5, 1.1, 2, 1e3].map(
      (scale) => tokenGains(Float64Array.of(scale, -scale), Float64Array.of(1, 1))[0],
    );
    expect(gains).toEqual([0.25, 0.25, 0.5, 2 ** 0.25, 2, 2 ** 1.75]);
  });
});

const slowMetric = (draws: readonly Float32Array[], size: number): Float64Array => {
  const metric = new Float64Array(size * size);
  const count = draws.reduce((sum, { length }) => sum + length / size, 0);
  for (const draw of draws)
    for (let token = 0; token < draw.length / size; token++)
      for (let index = 0; index < metric.length; index++)
        metric[index]! +=
          (draw[token * size + Math.floor(index / size)]! * draw[token * size + (index % size)]!) / count;
  const trace = identity(size).reduce((sum, one, index) => sum + one * metric[index]!, 0);
  return metric.map((number, index) => number + (identity(size)[index]! * 1e-2 * trace) / size);
};

const slowCovariance = (rows: Float64Array, weights: Float64Array, size: number): Float64Array => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = Array.from({ length: size }, (_, i) =>
    weights.reduce((sum, weight, token) => sum + (weight * rows[token * size + i]!) / total, 0),
  );
  return new Float64Array(size * size).map((_, index) => {
    const [i, j] = [Math.floor(index / size), index % size];
    return weights.reduce(
      (sum, weight, token) =>
        sum + (weight * (rows[token * size + i]! - mean[i]!) * (rows[token * size + j]! - mean[j]!)) / total,
      0,
    );
  });
};

const identity = (size: number): Float64Array =>
  new Float64Array(size * size).map((_, index) => Number(index % (size + 1) === 0));

const transposed = (matrix: Float64Array, size: number): Float64Array =>
  matrix.map((_, index) => matrix[(index % size) * size + Math.floor(index / size)]!);

const product = (left: Float64Array, right: Float64Array, size: number): Float64Array =>
  left.map((_, index) => {
    let sum = 0;
    for (let k = 0; k < size; k++)
      sum += left[Math.floor(index / size) * size + k]! * right[k * size + (index % size)]!;
    return sum;
  });

const expectNear = (found: Float64Array, expected: Float64Array): void => {
  const largest = Math.max(...expected.map(Math.abs));
  for (const [index, number] of expected.entries())
    expect(Math.abs(found[index]! - number)).toBeLessThanOrEqual(1e-7 * largest);
};

/** Pseudorandom numbers, roughly normal. */
const normals = (seed: number): (() => number) => {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return state / 2 ** 32;
  };
  return () => Math.sqrt(2) * (uniform() + uniform() + uniform() + uniform() + uniform() + uniform() - 3);
};
