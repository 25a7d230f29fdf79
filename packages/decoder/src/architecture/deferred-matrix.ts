import { assertLength, readMatrixRows } from "./read-weights.ts";
import type { DeferredLinear, DeferredMatrix, WeightSource } from "./weights.ts";

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
  { rows, columns, matrix, bias }: DeferredLinear,
  from: number,
  to: number,
): DeferredLinear => ({
  rows: to - from,
  columns,
  matrix: { ...matrix, read: async (first, end) => matrix.read(from + first, from + end) },
  ...(bias && { bias: bias.subarray((from * bias.length) / rows, (to * bias.length) / rows) }),
});

/** A matrix in `count` parts of as many rows. */
export const deferredParts = (all: DeferredLinear, count: number): DeferredLinear[] => {
  const rows = all.rows / count;
  return Array.from({ length: count }, (_, index) => deferredRows(all, index * rows, (index + 1) * rows));
};
