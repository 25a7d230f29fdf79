import { assertLength, readMatrixRows } from "./read-weights.ts";
import type { DeferredMatrix, Linear, WeightSource } from "./weights.ts";

/**
 * All rows of a tensor, of `length` numbers.
 *
 * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
 */
export const deferMatrix = async (source: WeightSource, name: string, length: number): Promise<DeferredMatrix> => {
  assertLength(source, name, length);
  const row = await source.readTensorBlocks?.(name, 0, 1);
  return {
    ...(row && { layout: { blockSize: row.blockSize, bits: row.bits, hasOffsets: row.offsets !== undefined } }),
    read: async (from, to) => readMatrixRows(source, name, from, to),
  };
};

/** Rows `from` up to `to` of a matrix and of its bias. */
export const deferredRows = (
  { rows, columns, matrix, bias }: Linear<DeferredMatrix>,
  from: number,
  to: number,
): Linear<DeferredMatrix> => ({
  rows: to - from,
  columns,
  matrix: { ...matrix, read: async (first, end) => matrix.read(from + first, from + end) },
  ...(bias && { bias: bias.subarray((from * bias.length) / rows, (to * bias.length) / rows) }),
});
