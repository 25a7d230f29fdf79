import {
  dequantizeBf16,
  dequantizeF16,
  dequantizeF32,
  dequantizeQ4,
  dequantizeQ5,
  dequantizeQ8,
} from "./dequantize-blocks.ts";
import { dequantizeSuperBlocks, SUPER_BLOCK, SUPER_BLOCK_TYPES } from "./super-block-types.ts";
import { dequantizeTable, TABLE_TYPES } from "./table-codes.ts";

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

const superBlocks = (name: keyof typeof SUPER_BLOCK_TYPES): TensorType => ({
  name,
  blockSize: SUPER_BLOCK,
  blockBytes: SUPER_BLOCK_TYPES[name].blockBytes,
  dequantize: dequantizeSuperBlocks(SUPER_BLOCK_TYPES[name]),
});

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
  10: superBlocks("Q2_K"),
  11: superBlocks("Q3_K"),
  12: superBlocks("Q4_K"),
  13: superBlocks("Q5_K"),
  14: superBlocks("Q6_K"),
  20: { name: "IQ4_NL", blockSize: 32, blockBytes: 18, dequantize: dequantizeTable(TABLE_TYPES.IQ4_NL) },
  23: { name: "IQ4_XS", blockSize: 256, blockBytes: 136, dequantize: dequantizeTable(TABLE_TYPES.IQ4_XS) },
  30: { name: "BF16", blockSize: 1, blockBytes: 2, dequantize: dequantizeBf16 },
  39: { name: "MXFP4", blockSize: 32, blockBytes: 17, dequantize: dequantizeTable(TABLE_TYPES.MXFP4) },
};

/** Unsupported types, named in errors. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  40: "NVFP4",
  41: "Q1_0",
};

/** Name of any tensor type, for error messages. */
export const typeName = (typeId: number): string =>
  TENSOR_TYPES[typeId]?.name ?? OTHER_TYPES[typeId] ?? `the unknown type ${typeId}`;
