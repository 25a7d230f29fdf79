import type { AffineScheme } from "@kvtuner/plan";
import { QuantizerError } from "./encodable.ts";
import { MAX_FLOAT16, roundHalfToEven, roundToFloat16 } from "./float16.ts";

/** Parameters that decode a group: `code * scale + minimum`, in float32. */
export interface GroupParameters {
  scale: number;
  minimum: number;
  /** What scale and minimum were fitted to: the smallest number (0 if symmetric) and the range, both clipped. */
  bottom: number;
  range: number;
  /** Numbers beyond this magnitude do not widen the range. */
  limit: number;
  /** Share of the range that codes span. */
  readonly clip: number;
  /** Smallest and largest code. */
  readonly lowest: number;
  readonly highest: number;
}

/** Parameters for {@link fitGroup} to fill; made once, outside of loops. */
export const groupParameters = ({ bits, format, clip = 1, clipRule = "range" }: GroupScheme): GroupParameters => {
  const levels = 2 ** bits - 1;
  const half = 2 ** (bits - 1) - 1;
  if (format === "symmetric" && half === 0)
    throw new QuantizerError(
      "QUANTIZER_SCHEME",
      "expected symmetric codes of at least 2 bits, got 1; use the format affine",
    );
  const start = { scale: 0, minimum: 0, bottom: 0, range: 0, limit: Infinity, clip: clipRule === "range" ? clip : 1 };
  return format === "affine" ? { ...start, lowest: 0, highest: levels } : { ...start, lowest: -half, highest: half };
};

/** What determines the parameters of a group, beside its numbers. */
export type GroupScheme = Pick<AffineScheme, "bits" | "format" | "clip" | "clipRule">;

/**
 * The magnitude to cut a head vector at, for the rule `magnitude`: of its magnitudes in ascending order, the one at
 * `floor(clip * headSize)` (OSCAR, arXiv 2605.17757). Infinity for the rule `range` and for a clip of 1.
 */
export const magnitudeLimit = (
  data: Float32Array,
  offset: number,
  headSize: number,
  { clip = 1, clipRule }: GroupScheme,
): number => {
  if (clipRule !== "magnitude" || clip >= 1) return Infinity;
  const magnitudes = data
    .slice(offset, offset + headSize)
    .map(Math.abs)
    .sort();
  return magnitudes[Math.floor(clip * headSize)]!;
};

/** Fits scale and minimum to the `count` numbers `data[offset + i * stride]`. */
export const fitGroup = (
  parameters: GroupParameters,
  data: Float32Array,
  offset: number,
  count: number,
  stride: number,
): void => {
  let smallest = data[offset]!;
  let largest = smallest;
  const end = offset + count * stride;
  for (let index = offset + stride; index < end; index += stride) {
    const x = data[index]!;
    if (x < smallest) smallest = x;
    else if (x > largest) largest = x;
  }
  fitExtremes(parameters, smallest, largest);
};

/**
 * Fits scale and minimum to a group, from its smallest and largest numbers, in float32.
 *
 * Affine (KVTuner, equation 2): `scale = f16((max - min) / (2^bits - 1))`, `minimum = f16(min)`.
 * Symmetric: `scale = f16(max |x| / (2^(bits - 1) - 1))`, no minimum.
 * Clipped: both ends are first cut at the limit. Then the range shrinks to its share `clip`, about its middle:
 * `min + (max - min) * f32((1 - clip) / 2)`.
 */
export const fitExtremes = (parameters: GroupParameters, smallest: number, largest: number): void => {
  fitRange(parameters, smallest, largest);
  const { bottom, range, highest } = parameters;
  parameters.scale = scaleOf(range, highest);
  parameters.minimum = roundToFloat16(bottom);
};

const fitRange = (parameters: GroupParameters, smallest: number, largest: number): void => {
  const { limit, clip, lowest } = parameters;
  const bottom = Math.max(-limit, Math.min(limit, smallest));
  const top = Math.max(-limit, Math.min(limit, largest));
  const range = lowest < 0 ? Math.max(top, -bottom) : Math.fround(top - bottom);
  parameters.range = clip < 1 ? Math.fround(range * Math.fround(clip)) : range;
  if (lowest < 0) parameters.bottom = 0;
  else parameters.bottom = clip < 1 ? Math.fround(bottom + Math.fround(range * Math.fround((1 - clip) / 2))) : bottom;
};

/** A single step, of 1 bit, can exceed float16. */
const scaleOf = (range: number, steps: number): number =>
  Math.min(MAX_FLOAT16, roundToFloat16(Math.fround(range / steps)));

/** Code of one number: nearest, halves to even, clamped. A scale of 0 gives code 0. */
export const encodeNumber = ({ scale, minimum, lowest, highest }: GroupParameters, x: number): number => {
  if (scale === 0) return 0;
  const code = roundHalfToEven(Math.fround(Math.fround(x - minimum) / scale));
  return code < lowest ? lowest : code > highest ? highest : code;
};

/** Number of one code, in float32. */
export const decodeNumber = ({ scale, minimum }: GroupParameters, code: number): number =>
  Math.fround(Math.fround(code * scale) + minimum);
