import type { PackedTensor } from "./packed-tensor.ts";

/** Segments of a tensor: exact, coded, exact; see `kernels/segments.ts`. */
const SEGMENTS = 3;

/** Bytes of the segment ends of one row of queries, of the keys and of the values. */
export const ROW_SEGMENT_BYTES: number = 2 * 4 * SEGMENTS;

/** Writes which tokens each of `rows` rows reads, and in which form. The first row reads `length` tokens, including its own. */
export const writeSegmentEnds = (
  words: Uint32Array,
  address: number,
  tensors: readonly [key: PackedTensor, value: PackedTensor],
  length: number,
  rows: number,
): void => {
  for (let row = 0; row < rows; row++)
    for (const [index, tensor] of tensors.entries())
      words.set(tensor.segmentEnds(length + row), address / 4 + (2 * row + index) * SEGMENTS);
};
