import type { BlockCodes } from "../gguf/block-codes.ts";
import type { Linear } from "./weights.ts";

/** A matrix, and its bias, of some rows of another, in the given order. */
export const pickRows = ({ rows, columns, matrix, bias }: Linear, order: Uint32Array): Linear => ({
  rows: order.length,
  columns,
  matrix: matrix instanceof Float32Array ? picked(matrix, rows, order) : pickedBlocks(matrix, rows, order),
  ...(bias && { bias: picked(bias, rows, order) }),
});

const pickedBlocks = (blocks: BlockCodes, rows: number, order: Uint32Array): BlockCodes => ({
  ...blocks,
  codes: picked(blocks.codes, rows, order),
  scales: picked(blocks.scales, rows, order),
  ...(blocks.offsets && { offsets: picked(blocks.offsets, rows, order) }),
});

/** Puts row `order[row]` of a row-major array at `row`. */
const picked = <Rows extends Float32Array | Int8Array>(source: Rows, rows: number, order: Uint32Array): Rows => {
  const width = source.length / rows;
  const target = source.slice(0, order.length * width) as Rows;
  for (let row = 0; row < order.length; row++)
    target.set(source.subarray(order[row]! * width, (order[row]! + 1) * width), row * width);
  return target;
};
