import {
  dequantizeBf16,
  dequantizeF16,
  dequantizeF32,
  dequantizeQ4,
  dequantizeQ5,
  dequantizeQ8,
} from "./dequantize-blocks.ts";
import { dequantizeQ4K, dequantizeQ5K, dequantizeQ6K } from "./dequantize-super-blocks.ts";

/** Storage of one tensor type. */
export interface TensorType {
  readonly name: string;
  /** Numbers in a block. */
  readonly blockSize: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** Decodes whole blocks into `target`. */
  readonly dequantize: (source: DataView, target: Float32Array) => void;
}

/** Supported types by their number in the file. */
export const TENSOR_TYPES: Readonly<Record<number, TensorType>> = {
  0: { name: "F32", blockSize: 1, blockBytes: 4, dequantize: dequantizeF32 },
  1: { name: "F16", blockSize: 1, blockBytes: 2, dequantize: dequantizeF16 },
  2: {
    name: "Q4_0",
    blockSize: 32,
    blockBytes: 18,
    dequantize: (source, target) => dequantizeQ4(source, target, false),
  },
  3: {
    name: "Q4_1",
    blockSize: 32,
    blockBytes: 20,
    dequantize: (source, target) => dequantizeQ4(source, target, true),
  },
  6: {
    name: "Q5_0",
    blockSize: 32,
    blockBytes: 22,
    dequantize: (source, target) => dequantizeQ5(source, target, false),
  },
  7: {
    name: "Q5_1",
    blockSize: 32,
    blockBytes: 24,
    dequantize: (source, target) => dequantizeQ5(source, target, true),
  },
  8: { name: "Q8_0", blockSize: 32, blockBytes: 34, dequantize: dequantizeQ8 },
  12: { name: "Q4_K", blockSize: 256, blockBytes: 144, dequantize: dequantizeQ4K },
  13: { name: "Q5_K", blockSize: 256, blockBytes: 176, dequantize: dequantizeQ5K },
  14: { name: "Q6_K", blockSize: 256, blockBytes: 210, dequantize: dequantizeQ6K },
  30: { name: "BF16", blockSize: 1, blockBytes: 2, dequantize: dequantizeBf16 },
};

/** Unsupported types, named in errors. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

/** Name of any tensor type, for error messages. */
export const typeName = (typeId: number): string =>
  TENSOR_TYPES[typeId]?.name ?? OTHER_TYPES[typeId] ?? `the unknown type ${typeId}`;
