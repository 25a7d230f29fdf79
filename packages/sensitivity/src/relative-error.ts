/** Numbers in a typed array, row-major. */
export type FloatArray = Float32Array | Float64Array;

/** Smallest denominator, as a fraction of the head vector's root mean square. */
export const RELATIVE_FLOOR = 0.01;

/**
 * Absolute floor of every denominator: the smallest positive float16, so the smallest nonzero magnitude in a 16-bit cache.
 */
export const SMALLEST_DENOMINATOR: number = 2 ** -24;

/**
 * Mean element-wise relative error of one head vector, in double precision:
 * `mean(|x - y| / max(|x|, relativeFloor * rms(x), 2^-24))`.
 *
 * The paper's `mean(|x - y| / |x|)` is unbounded near `x = 0`, where it dominates the mean. Here a denominator is at least
 * one hundredth of the vector's root mean square (RMS), and at least the smallest float16. So the error is finite for
 * every finite input, continuous in both arguments, and unchanged when both are scaled alike (down to the absolute
 * floor). It differs from the paper's only in elements smaller than a hundredth of their vector's RMS.
 *
 * Source: KVTuner, arXiv 2502.04420, section 3.2 (e_k, e_v, e_o). An empty vector has error 0.
 */
export const relativeError = (
  exact: ArrayLike<number>,
  approximate: ArrayLike<number>,
  relativeFloor: number = RELATIVE_FLOOR,
): number => rowRelativeError(exact, approximate, 0, exact.length, relativeFloor);

/** {@link relativeError} of the `size` elements from `offset` on in both arrays. */
export const rowRelativeError = (
  exact: ArrayLike<number>,
  approximate: ArrayLike<number>,
  offset: number,
  size: number,
  relativeFloor: number,
): number => {
  if (size === 0) return 0;
  const floor = Math.max(relativeFloor * rootMeanSquare(exact, offset, size), SMALLEST_DENOMINATOR);
  let sum = 0;
  for (let index = offset; index < offset + size; index++) {
    sum += Math.abs(exact[index]! - approximate[index]!) / Math.max(Math.abs(exact[index]!), floor);
  }
  return sum / size;
};

const rootMeanSquare = (x: ArrayLike<number>, offset: number, size: number): number => {
  let sum = 0;
  for (let index = offset; index < offset + size; index++) sum += x[index]! * x[index]!;
  return Math.sqrt(sum / size);
};
