import type { TensorScheme } from "@kvtuner/plan";
import { fitGroup, groupParameters } from "../group.ts";

/** Relative rounding error of float32. */
export const UNIT_ROUNDOFF: number = 2 ** -24;

/**
 * Largest |x - decode(encode(x))| of a group that spans `smallest` to `largest` (before any transform is undone); fewer than 16 bits.
 * In exact arithmetic the nearest code is off by half a step, or, where codes are clamped, by the distance to the first
 * or last level. Subtraction and division add `2u + u^2` of |x - minimum|; `code * scale` is exact, adding the minimum rounds once.
 */
export const groupErrorBound = (smallest: number, largest: number, scheme: TensorScheme): number => {
  const fit = groupParameters(scheme);
  fitGroup(fit, Float32Array.of(smallest, largest), 0, 2, 1);
  const { scale, minimum, lowest, highest } = fit;
  const reach = Math.max(Math.abs(largest - minimum), Math.abs(smallest - minimum));
  if (scale === 0) return Math.max(reach, 0);
  const above = largest - (minimum + highest * scale);
  const below = minimum + lowest * scale - smallest;
  const arithmetic = UNIT_ROUNDOFF * (2.000001 * reach + highest * scale + Math.abs(minimum)) + 2 ** -149;
  return Math.max(scale / 2, above, below) + arithmetic;
};
