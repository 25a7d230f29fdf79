import type { WeightSource } from "./architecture/weights.ts";
import type { Arithmetic } from "./segments/linear.ts";

/**
 * Storage of the weights of a model file:
 *
 * - `float32`: all are dequantized.
 * - `stored`: matrices of 4-bit codes stay as stored and are multiplied in float32; all others are dequantized. The same
 *   numbers in a fifth of the memory.
 * - `stored-int8`: matrices of up to 8-bit codes stay as stored, and their inputs are rounded to int8 in blocks. 4-bit
 *   codes that index a table become the table's 8-bit numbers. By far the fastest for one token at a time, but logits
 *   move by up to about 1: not for measuring plans.
 */
export type WeightStorage = "float32" | "stored" | "stored-int8";

/** The source, with blocks only for the matrices that stay as stored. */
export const storedWeights = (source: WeightSource, storage: WeightStorage): WeightSource => ({
  metadata: source.metadata,
  tensors: source.tensors,
  readTensor: async (name) => source.readTensor(name),
  readTensorRows: async (name, rows) => source.readTensorRows(name, rows),
  readTensorBlocks: async (name, from, to) => {
    if (storage === "float32") return undefined;
    const blocks = await source.readTensorBlocks?.(name, from, to);
    // In float32 arithmetic, 8-bit codes multiply far more slowly than dequantized numbers.
    return blocks?.bits === 8 && storage === "stored" ? undefined : blocks;
  },
});

/** Arithmetic for matrices in blocks. */
export const arithmeticOf = (storage: WeightStorage): Arithmetic => (storage === "stored-int8" ? "int8" : "float32");
