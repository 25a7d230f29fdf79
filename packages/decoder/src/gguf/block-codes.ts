import { numberFromFloat16 } from "@kvtuner/quantizers";
import { SUPER_BLOCK_TYPES, superBlockCodes, type SuperBlockType } from "./super-block-types.ts";
import { TABLE_TYPES, tableCodes, type TableType } from "./table-codes.ts";

/**
 * A tensor as stored, in blocks of neighbouring numbers of a row: `number = scale * code + offset`, with the scale and
 * offset of its block.
 */
export interface BlockCodes {
  /** Numbers per block; divides the length of a row. */
  readonly blockSize: number;
  /** Bits that hold every code: 4 for -8 .. 7, 8 for -128 .. 127. */
  readonly bits: 4 | 8;
  /** `[rows, columns]` */
  readonly codes: Int8Array;
  /** `[rows, columns / blockSize]` */
  readonly scales: Float32Array;
  /** `[rows, columns / blockSize]`; absent if every offset is 0. */
  readonly offsets?: Float32Array;
}

/** What is the same for all blocks of a tensor. */
export interface BlockLayout extends Pick<BlockCodes, "blockSize" | "bits"> {
  readonly hasOffsets: boolean;
}

const BLOCK = 32;
const HALF = BLOCK / 2;

/**
 * Layout of one tensor type: a float16 scale, an optional float16 minimum, optionally 4 bytes of fifth bits, then codes.
 */
interface Layout {
  readonly hasMinimum: boolean;
  readonly hasFifthBits: boolean;
  /** Subtracted from a stored code. */
  readonly center: number;
}

/** Types with blocks of equidistant codes. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  Q4_0: { hasMinimum: false, hasFifthBits: false, center: 8 },
  Q4_1: { hasMinimum: true, hasFifthBits: false, center: 8 },
  Q5_0: { hasMinimum: false, hasFifthBits: true, center: 16 },
  Q5_1: { hasMinimum: true, hasFifthBits: true, center: 16 },
};

/** Types whose 4-bit codes index a table: the table's numbers are the 8-bit codes. */
const TABLES: Readonly<Record<string, TableType>> = TABLE_TYPES;

const SUPER_BLOCKS: Readonly<Record<string, SuperBlockType>> = SUPER_BLOCK_TYPES;

/** True for a type, like `Q4_1`, that {@link BlockCodes} hold without loss. */
export const hasBlockCodes = (type: string): boolean =>
  type === "Q8_0" || [LAYOUTS, TABLES, SUPER_BLOCKS].some((types) => Object.hasOwn(types, type));

/** How a type with {@link hasBlockCodes} is stored as {@link BlockCodes}. */
export const blockLayout = (type: string): BlockLayout => {
  const superBlocks = SUPER_BLOCKS[type];
  if (superBlocks)
    return { blockSize: superBlocks.subBlock, bits: superBlocks.bits, hasOffsets: superBlocks.minimumOf !== undefined };
  const layout = LAYOUTS[type];
  return { blockSize: BLOCK, bits: layout?.hasFifthBits === false ? 4 : 8, hasOffsets: layout?.hasMinimum ?? false };
};

/** Codes, scales and offsets of `count` stored numbers, in whole blocks of a type with {@link hasBlockCodes}. */
export const blockCodes = (type: string, bytes: Uint8Array, count: number): BlockCodes => {
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [layout, table, superBlocks] = [LAYOUTS[type], TABLES[type], SUPER_BLOCKS[type]];
  const { blockSize, bits } = blockLayout(type);
  if (superBlocks) return { blockSize, bits, ...superBlockCodes(superBlocks, source, count) };
  if (table) return { blockSize, bits, ...tableCodes(table, source, count) };
  return layout ? nibbleCodes(source, count, layout) : byteCodes(source, count);
};

const byteCodes = (source: DataView, count: number): BlockCodes => {
  const codes = new Int8Array(count);
  const scales = new Float32Array(count / BLOCK);
  for (let block = 0, at = 0; block < scales.length; block++, at += 2 + BLOCK) {
    scales[block] = numberFromFloat16(source.getUint16(at, true));
    for (let index = 0; index < BLOCK; index++) codes[block * BLOCK + index] = source.getInt8(at + 2 + index);
  }
  return { blockSize: BLOCK, bits: 8, codes, scales };
};

const nibbleCodes = (source: DataView, count: number, { hasMinimum, hasFifthBits, center }: Layout): BlockCodes => {
  const codes = new Int8Array(count);
  const scales = new Float32Array(count / BLOCK);
  const offsets = new Float32Array(hasMinimum ? scales.length : 0);
  const header = hasMinimum ? 4 : 2;
  const start = header + (hasFifthBits ? 4 : 0);
  for (let block = 0, at = 0; block < scales.length; block++, at += start + HALF) {
    const scale = numberFromFloat16(source.getUint16(at, true));
    scales[block] = scale;
    // minimum + scale * stored is scale * (stored - center) + this.
    if (hasMinimum) offsets[block] = numberFromFloat16(source.getUint16(at + 2, true)) + center * scale;
    const high = hasFifthBits ? source.getUint32(at + header, true) : 0;
    for (let index = 0; index < HALF; index++) {
      const byte = source.getUint8(at + start + index);
      const first = block * BLOCK + index;
      codes[first] = ((byte & 15) | (((high >>> index) & 1) << 4)) - center;
      codes[first + HALF] = ((byte >>> 4) | (((high >>> (index + HALF)) & 1) << 4)) - center;
    }
  }
  return { blockSize: BLOCK, bits: hasFifthBits ? 8 : 4, codes, scales, ...(hasMinimum && { offsets }) };
};
