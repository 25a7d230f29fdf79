import { numberFromFloat16 } from "@kvtuner/quantizers";

/**
 * A type with blocks of 256 numbers in smaller blocks: `number = scale * (code - center) - minimum`, with the scale and
 * minimum of the smaller block. Every product is exact in float32. Layouts of ggml's `block_q2_K` to `block_q6_K`:
 * https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 *
 * `at` is the byte offset of a block of 256, `sub` the index of a smaller block in it.
 */
export interface SuperBlockType {
  /** Bytes of 256 numbers. */
  readonly blockBytes: number;
  /** Numbers with one scale. */
  readonly subBlock: 16 | 32;
  /** Subtracted from a stored code. */
  readonly center: number;
  /** Bits that hold every centred code; types with a minimum are centred by the reader. */
  readonly bits: 4 | 8;
  readonly scaleOf: (source: DataView, at: number, sub: number) => number;
  /** Absent if all are 0. */
  readonly minimumOf?: (source: DataView, at: number, sub: number) => number;
  /** Writes the stored codes of a smaller block into `target` from `start` on. */
  readonly readCodes: (source: DataView, at: number, sub: number, target: Int8Array, start: number) => void;
}

/** Numbers in a block. */
export const SUPER_BLOCK = 256;

const float16 = (source: DataView, at: number): number => numberFromFloat16(source.getUint16(at, true));

/** Bit pairs of 16 numbers: each 32 bytes hold the pairs of 128 numbers, the lowest those of the first 32. */
const bitPair = (source: DataView, at: number, sub: number, index: number): number =>
  (source.getUint8(at + (sub >>> 3) * 32 + (sub & 1) * 16 + index) >>> (sub & 6)) & 3;

/** Sixteen 4-bit scales and minima in 16 bytes, 64 bytes of bit pairs, float16 scale and minimum. */
const Q2_K: SuperBlockType = {
  blockBytes: 84,
  subBlock: 16,
  center: 0,
  bits: 4,
  scaleOf: (source, at, sub) => float16(source, at + 80) * (source.getUint8(at + sub) & 15),
  minimumOf: (source, at, sub) => float16(source, at + 82) * (source.getUint8(at + sub) >>> 4),
  readCodes: (source, at, sub, target, start) => {
    for (let index = 0; index < 16; index++) target[start + index] = bitPair(source, at + 16, sub, index);
  },
};

/**
 * 32 bytes of third bits, 64 bytes of bit pairs as in Q2_K, sixteen 6-bit scales in 12 bytes, a float16 scale; codes are
 * centred on 4, scales on 32.
 */
const Q3_K: SuperBlockType = {
  blockBytes: 110,
  subBlock: 16,
  center: 4,
  bits: 4,
  scaleOf: (source, at, sub) => float16(source, at + 108) * (q3SubScale(source, at + 96, sub) - 32),
  readCodes: (source, at, sub, target, start) => {
    for (let index = 0; index < 16; index++) {
      const third = (source.getUint8(at + (sub & 1) * 16 + index) >>> (sub >>> 1)) & 1;
      target[start + index] = bitPair(source, at + 32, sub, index) | (third << 2);
    }
  },
};

/** Eight bytes hold the lower nibbles of two scales each, four more the upper bit pairs of four scales each. */
const q3SubScale = (source: DataView, at: number, sub: number): number =>
  ((source.getUint8(at + (sub & 7)) >>> (4 * (sub >>> 3))) & 15) |
  (((source.getUint8(at + 8 + (sub & 3)) >>> (2 * (sub >>> 2))) & 3) << 4);

/** Float16 scale and minimum, eight 6-bit scales and minima in 12 bytes, 128 bytes of nibbles. */
const Q4_K: SuperBlockType = {
  blockBytes: 144,
  subBlock: 32,
  center: 0,
  bits: 4,
  scaleOf: (source, at, sub) => float16(source, at) * subScale(source, at + 4, sub),
  minimumOf: (source, at, sub) => float16(source, at + 2) * subMinimum(source, at + 4, sub),
  readCodes: (source, at, sub, target, start) => readNibbles(source, at + 16, sub, target, start),
};

/** Same as Q4_K, with 32 bytes of fifth bits before the nibbles. */
const Q5_K: SuperBlockType = {
  ...Q4_K,
  blockBytes: 176,
  bits: 8,
  readCodes: (source, at, sub, target, start) => {
    readNibbles(source, at + 48, sub, target, start);
    for (let index = 0; index < 32; index++)
      target[start + index]! |= ((source.getUint8(at + 16 + index) >>> sub) & 1) << 4;
  },
};

const readNibbles = (source: DataView, at: number, sub: number, target: Int8Array, start: number): void => {
  const [from, shift] = [at + (sub >>> 1) * 32, (sub & 1) * 4];
  for (let index = 0; index < 32; index++) target[start + index] = (source.getUint8(from + index) >>> shift) & 15;
};

/**
 * The first four scales and minima have their six bits in one byte. The last four store their upper two bits in the first
 * ones.
 */
const subScale = (source: DataView, at: number, sub: number): number =>
  sub < 4
    ? source.getUint8(at + sub) & 63
    : (source.getUint8(at + sub + 4) & 15) | ((source.getUint8(at + sub - 4) >>> 6) << 4);

const subMinimum = (source: DataView, at: number, sub: number): number =>
  sub < 4
    ? source.getUint8(at + sub + 4) & 63
    : (source.getUint8(at + sub + 4) >>> 4) | ((source.getUint8(at + sub) >>> 6) << 4);

/** 128 bytes of low nibbles, 64 of upper bit pairs, sixteen signed 8-bit scales, a float16 scale; centred on 32. */
const Q6_K: SuperBlockType = {
  blockBytes: 210,
  subBlock: 16,
  center: 32,
  bits: 8,
  scaleOf: (source, at, sub) => float16(source, at + 208) * source.getInt8(at + 192 + sub),
  readCodes: (source, at, sub, target, start) => {
    const half = sub >>> 3;
    const [nibbleShift, pairShift] = [sub & 4, sub & 6];
    for (let index = 0; index < 16; index++) {
      const within = (sub & 1) * 16 + index;
      const low = source.getUint8(at + half * 64 + (sub & 2) * 16 + within) >>> nibbleShift;
      const high = source.getUint8(at + 128 + half * 32 + within) >>> pairShift;
      target[start + index] = (low & 15) | ((high & 3) << 4);
    }
  },
};

/** Types of this kind by name. */
export const SUPER_BLOCK_TYPES: Readonly<Record<`Q${2 | 3 | 4 | 5 | 6}_K`, SuperBlockType>> = {
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
};

/** Decodes whole blocks into `target`. */
export const dequantizeSuperBlocks =
  (type: SuperBlockType) =>
  (source: DataView, target: Float32Array): void => {
    const codes = new Int8Array(type.subBlock);
    forEachSubBlock(type, target.length, (at, sub, start) => {
      const scale = type.scaleOf(source, at, sub);
      const minimum = type.minimumOf?.(source, at, sub) ?? 0;
      type.readCodes(source, at, sub, codes, 0);
      for (let index = 0; index < codes.length; index++)
        target[start + index] = scale * (codes[index]! - type.center) - minimum;
    });
  };

/** Codes, scales and offsets of `count` stored numbers, as in `BlockCodes`. */
export const superBlockCodes = (
  type: SuperBlockType,
  source: DataView,
  count: number,
): { readonly codes: Int8Array; readonly scales: Float32Array; readonly offsets?: Float32Array } => {
  const { subBlock, bits, minimumOf } = type;
  // Codes around 0 fit their bits, and keep the sums that the offsets are multiplied with small.
  const center = minimumOf ? CENTERS[bits] : type.center;
  const codes = new Int8Array(count);
  const scales = new Float32Array(count / subBlock);
  const offsets = new Float32Array(minimumOf ? scales.length : 0);
  forEachSubBlock(type, count, (at, sub, start) => {
    const scale = type.scaleOf(source, at, sub);
    scales[start / subBlock] = scale;
    if (minimumOf) offsets[start / subBlock] = center * scale - minimumOf(source, at, sub);
    type.readCodes(source, at, sub, codes, start);
    for (let index = start; index < start + subBlock; index++) codes[index]! -= center;
  });
  return { codes, scales, ...(minimumOf && { offsets }) };
};

/** Middle of the unsigned codes of types with a minimum: of 4 bits, and of Q5_K's five. */
const CENTERS: Readonly<Record<SuperBlockType["bits"], number>> = { 4: 8, 8: 16 };

const forEachSubBlock = (
  { blockBytes, subBlock }: SuperBlockType,
  count: number,
  visit: (at: number, sub: number, start: number) => void,
): void => {
  for (let start = 0; start < count; start += subBlock) {
    const block = Math.floor(start / SUPER_BLOCK);
    visit(block * blockBytes, (start % SUPER_BLOCK) / subBlock, start);
  }
};
