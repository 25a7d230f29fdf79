import type { AffineScheme } from "@kvtuner/plan";
import { roundHalfToEven, roundToFloat16 } from "./float16.ts";

/** Parameters that decode a group: `code * scale + minimum`, in float32. Both are float16 numbers. */
export interface GroupParameters {
  scale: number;
  minimum: number;
  /** Smallest and largest code. */
  lowest: number;
  highest: number;
}

/** Parameters for {@link fitGroup} to fill; made once, outside of loops. */
export const groupParameters = ({ bits, format }: Pick<AffineScheme, "bits" | "format">): GroupParameters => {
  const levels = 2 ** bits - 1;
  const half = 2 ** (bits - 1) - 1;
  return format === "affine"
    ? { scale: 0, minimum: 0, lowest: 0, highest: levels }
    : { scale: 0, minimum: 0, lowest: -half, highest: half };
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
 */
export const fitExtremes = (parameters: GroupParameters, smallest: number, largest: number): void => {
  const affine = parameters.lowest === 0;
  const range = affine ? Math.fround(largest - smallest) : Math.max(largest, -smallest);
  parameters.scale = roundToFloat16(Math.fround(range / parameters.highest));
  parameters.minimum = affine ? roundToFloat16(smallest) : 0;
};

/** Code of one number: nearest, halves to even, clamped. A scale of 0 gives code 0. */
export const encodeNumber = ({ scale, minimum, lowest, highest }: GroupParameters, x: number): number => {
  if (scale === 0) return 0;
  const code = roundHalfToEven(Math.fround(Math.fround(x - minimum) / scale));
  return code < lowest ? lowest : code > highest ? highest : code;
};

/** Number of one code, in float32. */
export const decodeNumber = ({ scale, minimum }: GroupParameters, code: number): number =>
  Math.fround(Math.fround(code * scale) + minimum);
