import type { BlockCodes } from "../gguf/block-codes.ts";
import type { Linear } from "./weights.ts";

/** Rows `from` to `to` of a matrix and of its bias. Nothing is copied. */
export const sliceRows = ({ rows, columns, matrix, bias }: Linear, from: number, to: number): Linear => ({
  rows: to - from,
  columns,
  matrix: matrix instanceof Float32Array ? part(matrix, rows, from, to) : blockRows(matrix, rows, from, to),
  ...(bias && { bias: part(bias, rows, from, to) }),
});

const blockRows = (blocks: BlockCodes, rows: number, from: number, to: number): BlockCodes => ({
  ...blocks,
  codes: part(blocks.codes, rows, from, to),
  scales: part(blocks.scales, rows, from, to),
  ...(blocks.offsets && { offsets: part(blocks.offsets, rows, from, to) }),
});

const part = <Numbers extends Float32Array | Int8Array>(
  numbers: Numbers,
  rows: number,
  from: number,
  to: number,
): Numbers => {
  const width = numbers.length / rows;
  return numbers.subarray(from * width, to * width) as Numbers;
};
