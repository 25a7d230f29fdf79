import type { BlockErrorBounds } from "./block-errors.ts";
import { DOUBLE_SLACK, FLOAT32_ROUNDING } from "./group.ts";

/** Head vectors before and after their rotation by a table, with rows `[headSize, headSize]`. */
interface Rotated {
  readonly x: Float32Array;
  readonly rotated: Float32Array;
  readonly matrix: Float32Array;
  readonly headSize: number;
}

/**
 * Bounds of head vectors whose rotated numbers `y` are off by at most `bounds`. The table need not be orthogonal.
 *
 * Proof: decoding gives `fl(sum_j R_ij (y_j + e_j))`, which differs from `x_i` by at most `|sum_j R_ij y_j - x_i|`, known
 * beforehand, plus `sum_j |R_ij| b_j`, plus `g sum_j |R_ij| (|y_j| + b_j)` for `n` products and sums in float32, with
 * `g = n u / (1 - n u)`, and `n 2^-149` where they underflow. The norm of `R e` is at most that of `b` times the square root of
 * the largest row sum of `|R^T R|`, which bounds the square of the spectral norm.
 */
export const tableErrorBounds = (bounds: Float64Array, { x, rotated, matrix, headSize }: Rotated): BlockErrorBounds => {
  const stretch = spectralBound(matrix, headSize);
  const growth = (headSize * FLOAT32_ROUNDING) / (1 - headSize * FLOAT32_ROUNDING);
  const numbers = new Float64Array(bounds.length);
  const vectors = new Float64Array(bounds.length / headSize);
  for (let token = 0; token < vectors.length; token++) {
    let [squares, codedSquares, otherSquares] = [0, 0, 0];
    for (let channel = 0; channel < headSize; channel++) {
      const at = token * headSize + channel;
      let [back, coded, size] = [-x[at]!, 0, 0];
      for (let other = 0; other < headSize; other++) {
        const entry = matrix[channel * headSize + other]!;
        const y = rotated[token * headSize + other]!;
        const bound = bounds[token * headSize + other]!;
        back += entry * y;
        coded += Math.abs(entry) * bound;
        size += Math.abs(entry) * (Math.abs(y) + bound);
      }
      const rest = Math.abs(back) + 2 ** -50 * headSize * size + growth * size + headSize * 2 ** -149;
      const own = DOUBLE_SLACK * (coded + rest);
      numbers[at] = own;
      squares += own ** 2;
      codedSquares += bounds[at]! ** 2;
      otherSquares += rest ** 2;
    }
    const together = stretch * Math.sqrt(codedSquares) + Math.sqrt(otherSquares);
    vectors[token] = DOUBLE_SLACK * Math.min(Math.sqrt(squares), together);
  }
  return { numbers, vectors };
};

const spectralBound = (matrix: Float32Array, size: number): number => {
  let largest = 0;
  for (let row = 0; row < size; row++) {
    let sum = 0;
    for (let column = 0; column < size; column++) {
      let product = 0;
      for (let index = 0; index < size; index++)
        product += matrix[index * size + row]! * matrix[index * size + column]!;
      sum += Math.abs(product);
    }
    largest = Math.max(largest, sum);
  }
  return DOUBLE_SLACK * Math.sqrt(largest);
};
