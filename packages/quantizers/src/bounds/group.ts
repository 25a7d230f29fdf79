import type { AffineScheme } from "@kvtuner/plan";
import { MAX_FLOAT16 } from "../float16.ts";
import { fitExtremes, type GroupParameters, groupParameters } from "../group.ts";

/** Relative rounding error of float32. */
export const FLOAT32_ROUNDING: number = 2 ** -24;
const FLOAT16_ROUNDING = 2 ** -11;
const FLOAT16_SUBNORMAL_ROUNDING = 2 ** -25;
/** Covers the rounding of the bounds' own double-precision sums. */
export const DOUBLE_SLACK: number = 1 + 2 ** -40;

/**
 * Largest `|x - decode(encode(x))|` in a group (before any transform) with the given smallest and largest numbers, both
 * float32 of magnitude at most 65504.
 *
 * Proof: both numbers determine scale `s` and minimum `z`, so their rounding loses nothing. Codes stand for the grid
 * from `bottom = z + lowest * s` to `top = z + highest * s`. An unclamped code is within 1/2 of the quotient that float32
 * computes, which is within `2u + u^2` (`u = 2^-24`) of `(x - z) / s`: together `s / 2 + (2u + u^2) |x - z|` (a quotient
 * that underflows adds less than `s * 2^-149`). A clamped code leaves `x` outside the grid, by at most `bottom - smallest`
 * or `largest - top`. `code * s` is exact (8 + 11 bits); adding `z` costs `u` of the result. With `s = 0` everything
 * decodes to `z`. A clip changes `s` and `z`, not the argument: what it leaves outside the grid is counted as such.
 *
 * @param limit where the rule `magnitude` cuts the head vector
 */
export const groupErrorBound = (
  smallest: number,
  largest: number,
  scheme: AffineScheme,
  limit: number = Infinity,
): number => {
  const parameters = groupParameters(scheme);
  parameters.limit = limit;
  fitExtremes(parameters, smallest, largest);
  return fittedErrorBound(parameters, smallest, largest);
};

/** {@link groupErrorBound} for parameters fitted in any way. A scale of more than 16 bits costs `u` of `code * s` as well. */
export const fittedErrorBound = (parameters: GroupParameters, smallest: number, largest: number): number => {
  const farthest = Math.max(Math.abs(smallest - parameters.minimum), Math.abs(largest - parameters.minimum));
  return DOUBLE_SLACK * (parameters.scale === 0 ? farthest : gridErrorBound(parameters, smallest, largest, farthest));
};

const gridErrorBound = (
  { scale, minimum, lowest, highest }: GroupParameters,
  smallest: number,
  largest: number,
  farthest: number,
): number => {
  const bottom = minimum + lowest * scale;
  const top = minimum + highest * scale;
  const rounded = scale / 2 + 2.001 * FLOAT32_ROUNDING * farthest + scale * 2 ** -149;
  const added = FLOAT32_ROUNDING * (Math.max(Math.abs(bottom), Math.abs(top)) + highest * scale);
  return Math.max(rounded, bottom - smallest, largest - top) + added;
};

/**
 * Bound for every group that spans at most `range` (largest minus smallest number; largest magnitude for symmetric formats)
 * with magnitudes up to `magnitude`, in closed form: half a step, or what rounding scale and minimum leaves outside the
 * grid. Never below {@link groupErrorBound}, and monotonic. For schemes without a clip. Derived in docs/bounds.md.
 */
export const rangeErrorBound = (range: number, magnitude: number, scheme: AffineScheme): number => {
  const { highest, lowest } = groupParameters(scheme);
  const step = (range * (1 + 1.001 * FLOAT16_ROUNDING)) / highest + FLOAT16_SUBNORMAL_ROUNDING;
  const scaleError = 1.001 * FLOAT16_ROUNDING * range + highest * FLOAT16_SUBNORMAL_ROUNDING;
  const minimumError = lowest === 0 ? float16ErrorBound(magnitude) : 0;
  const outside = scaleError + minimumError + Math.max(0, range - highest * MAX_FLOAT16);
  return Math.max(step / 2, outside) + 4 * FLOAT32_ROUNDING * (range + magnitude + outside);
};

/** Largest error of rounding a number of magnitude at most `|x|` to float16. */
export const float16ErrorBound = (x: number): number =>
  Math.max(FLOAT16_ROUNDING * Math.abs(x), FLOAT16_SUBNORMAL_ROUNDING);
