import type { BlockCodes } from "../gguf/block-codes.ts";
import type { Linear } from "./weights.ts";

/**
 * Reorders query or key rows for RoPE, where a file stores row `2i + b` in place of row `i + b * half` of a head. Only the
 * leading `ropeDimensions` rows of a head are rotated.
 */
export const inHalfSplitOrder = (
  { rows, columns, matrix, bias }: Linear,
  headSize: number,
  ropeDimensions: number,
): Linear => {
  const order = Uint32Array.from({ length: rows }, (_, row) => interleavedRow(row, headSize, ropeDimensions));
  return {
    rows,
    columns,
    matrix: matrix instanceof Float32Array ? permuted(matrix, order) : permutedBlocks(matrix, order),
    ...(bias && { bias: permuted(bias, order) }),
  };
};

const permutedBlocks = (blocks: BlockCodes, order: Uint32Array): BlockCodes => ({
  ...blocks,
  codes: permuted(blocks.codes, order),
  scales: permuted(blocks.scales, order),
  ...(blocks.offsets && { offsets: permuted(blocks.offsets, order) }),
});

/** Puts row `order[row]` of a row-major array at `row`. */
const permuted = <Rows extends Float32Array | Int8Array>(source: Rows, order: Uint32Array): Rows => {
  const width = source.length / order.length;
  const target = source.slice() as Rows;
  for (let row = 0; row < order.length; row++)
    target.set(source.subarray(order[row]! * width, (order[row]! + 1) * width), row * width);
  return target;
};

const interleavedRow = (row: number, headSize: number, ropeDimensions: number): number => {
  const half = ropeDimensions / 2;
  const within = row % headSize;
  if (within >= ropeDimensions) return row;
  return row - within + 2 * (within % half) + Math.floor(within / half);
};
