import type { WeightSource } from "./architecture/weights.ts";
import type { BlockCodes } from "./gguf/block-codes.ts";
import { roundedBlocks, ROUNDED_BLOCK } from "./gguf/rounded-blocks.ts";
import type { Arithmetic } from "./segments/linear.ts";

/**
 * Storage of the weights of a model file:
 *
 * - `float32`: all are dequantized.
 * - `stored`: matrices of 4-bit codes stay as stored and are multiplied in float32; all others are dequantized. The same
 *   numbers in a fifth of the memory.
 * - `stored-int8`: matrices of codes stay as stored in 4 or 8 bits, and their inputs are rounded to int8 in blocks. 4-bit
 *   codes that index a table become the table's 8-bit numbers. Matrices in F32, F16 and BF16 are rounded to 8 bits in
 *   blocks of 32. By far the fastest for one token at a time, but logits move by up to about 1: not for measuring plans.
 */
export type WeightStorage = "float32" | "stored" | "stored-int8";

/** The source, with blocks only for the matrices that are kept in blocks. */
export const storedWeights = (source: WeightSource, storage: WeightStorage): WeightSource => ({
  metadata: source.metadata,
  tensors: source.tensors,
  readTensor: async (name) => source.readTensor(name),
  readTensorRows: async (name, rows) => source.readTensorRows(name, rows),
  readTensorBlocks: async (name, from, to) => {
    if (storage === "float32") return undefined;
    const blocks = await source.readTensorBlocks?.(name, from, to);
    if (storage === "stored-int8") return blocks ?? roundedRows(source, name, from, to);
    // In float32 arithmetic, 8-bit codes multiply far more slowly than dequantized numbers.
    return blocks?.bits === 8 ? undefined : blocks;
  },
});

/** Whether `stored-int8` rounds a matrix without blocks of codes to 8 bits. */
export const roundsTo8Bits = (dims: readonly number[]): boolean =>
  dims.length > 1 && (dims[0] ?? 0) % ROUNDED_BLOCK === 0;

const roundedRows = async (
  source: WeightSource,
  name: string,
  from = 0,
  to?: number,
): Promise<BlockCodes | undefined> => {
  const dims = source.tensors.get(name)?.dims ?? [];
  if (!roundsTo8Bits(dims)) return undefined;
  if (from === 0 && to === undefined) return roundedBlocks(await source.readTensor(name));
  const end = to ?? dims.slice(1).reduce((product, dim) => product * dim, 1);
  return roundedBlocks(
    await source.readTensorRows(
      name,
      Array.from({ length: end - from }, (_, row) => from + row),
    ),
  );
};

/** Arithmetic for matrices in blocks. */
export const arithmeticOf = (storage: WeightStorage): Arithmetic => (storage === "stored-int8" ? "int8" : "float32");
