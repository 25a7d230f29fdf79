import { DOUBLE_SLACK } from "./group.ts";

/** Largest change of a block by encoding and decoding it. */
export interface BlockErrorBounds {
  /** Bound of the error of each number, `[tokens, headSize]`. */
  readonly numbers: Float64Array;
  /** Bound of the Euclidean norm of the error of each head vector, `[tokens]`. */
  readonly vectors: Float64Array;
}

/** Bounds of head vectors from those of their numbers. */
export const blockErrors = (numbers: Float64Array, tokens: number, headSize: number): BlockErrorBounds => ({
  numbers,
  vectors: Float64Array.from({ length: tokens }, (_, token) =>
    norm(numbers.subarray(token * headSize, (token + 1) * headSize)),
  ),
});

/** Euclidean norm, rounded up. */
export const norm = (numbers: ArrayLike<number>): number => {
  let squares = 0;
  for (let index = 0; index < numbers.length; index++) squares += numbers[index]! ** 2;
  return DOUBLE_SLACK * Math.sqrt(squares);
};

/** The changes themselves, for codecs without a proved bound. */
export const measuredErrors = (
  x: Float32Array,
  decoded: Float32Array,
  tokens: number,
  headSize: number,
): BlockErrorBounds =>
  blockErrors(
    Float64Array.from(x, (number, index) => Math.abs(number - decoded[index]!)),
    tokens,
    headSize,
  );
