import { DOUBLE_SLACK } from "./group.ts";

/** Error bounds of one key vector, from `blockErrorBounds`. */
export interface VectorErrorBound {
  /** Bound of the error of each number, `[headSize]`. */
  readonly numbers: ArrayLike<number>;
  /** Bound of the Euclidean norm of the error. */
  readonly norm: number;
}

/**
 * Largest `|q . k - q . k^|` for the query `[headSize]` (multiply it by the scale of the scores first) and a key whose
 * error is bounded: the smaller of `sum |q_i| b_i` and, by Cauchy and Schwarz, `|q|_2` times the norm. Usually the first is
 * smaller without a transform, the second with one.
 */
export const scoreErrorBound = (query: ArrayLike<number>, key: VectorErrorBound): number => {
  let sum = 0;
  let squares = 0;
  for (let index = 0; index < query.length; index++) {
    sum += Math.abs(query[index]!) * key.numbers[index]!;
    squares += query[index]! ** 2;
  }
  return DOUBLE_SLACK * Math.min(sum, Math.sqrt(squares) * key.norm);
};
