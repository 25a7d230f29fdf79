import type { SampleRows } from "./sample-rows.ts";

/** Cosines and sines of RoPE, `[rows, dimensions / 2]`, as segments read them. */
export interface RopeArrays {
  readonly cosine: Float32Array;
  readonly sine: Float32Array;
}

/**
 * The gradient of keys before RoPE, from that after it: each pair of channels is turned back and scaled alike. RoPE rotates the
 * leading channels of a head, `i` with `i + half`.
 */
export const turnedBack = (
  { samples, rows, width, data }: SampleRows,
  headSize: number,
  { cosine, sine }: RopeArrays,
): Float32Array => {
  const half = cosine.length / rows;
  const result = data.slice();
  for (let row = 0; row < samples * rows; row++)
    for (let head = row * width; head < (row + 1) * width; head += headSize)
      for (let i = 0; i < half; i++) {
        const table = (row % rows) * half + i;
        const [first, second] = [data[head + i]!, data[head + i + half]!];
        result[head + i] = first * cosine[table]! + second * sine[table]!;
        result[head + i + half] = second * cosine[table]! - first * sine[table]!;
      }
  return result;
};
