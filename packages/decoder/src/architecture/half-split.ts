import type { BlockCodes } from "../gguf/block-codes.ts";
import type { DecoderConfig } from "./config.ts";
import { FAMILIES } from "./families.ts";
import type { Linear } from "./weights.ts";

/**
 * Reorders query or key rows for RoPE, where a file stores row `2i + b` in place of row `i + b * half` of a head.
 */
export const inHalfSplitOrder = (linear: Linear, config: DecoderConfig): Linear => {
  if (FAMILIES[config.architecture].ropeRows === "halves") return linear;
  const { rows, columns, matrix, bias } = linear;
  const order = Uint32Array.from({ length: rows }, (_, row) => interleavedRow(row, config));
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

const interleavedRow = (row: number, { headSize, ropeDimensions }: DecoderConfig): number => {
  const half = ropeDimensions / 2;
  const within = row % headSize;
  if (within >= ropeDimensions) return row;
  return row - within + 2 * (within % half) + Math.floor(within / half);
};
