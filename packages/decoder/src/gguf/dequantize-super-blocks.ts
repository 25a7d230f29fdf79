import { numberFromFloat16 } from "@kvtuner/quantizers";

const SUPER_BLOCK = 256;
const SUB_BLOCK = 32;
const SMALL_SUB_BLOCK = 16;

/**
 * 256 numbers: sixteen 4-bit scales and minima in 16 bytes, 64 bytes of bit pairs, float16 scale and minimum. Each 32
 * bytes hold the pairs of 128 numbers: the lowest those of the first 32.
 */
export const dequantizeQ2K = (source: DataView, target: Float32Array): void => {
  for (let block = 0, at = 0; block < target.length; block += SUPER_BLOCK, at += 84) {
    const scale = numberFromFloat16(source.getUint16(at + 80, true));
    const minimum = numberFromFloat16(source.getUint16(at + 82, true));
    for (let sub = 0; sub < 16; sub++) {
      const packed = source.getUint8(at + sub);
      const d = scale * (packed & 15);
      const m = minimum * (packed >>> 4);
      for (let index = 0; index < SMALL_SUB_BLOCK; index++)
        target[block + sub * SMALL_SUB_BLOCK + index] = d * bitPair(source, at + 16, sub, index) - m;
    }
  }
};

/**
 * 256 numbers: 32 bytes of third bits, 64 bytes of bit pairs as in Q2_K, sixteen 6-bit scales in 12 bytes, a float16 scale;
 * codes are centred on 4, scales on 32.
 */
export const dequantizeQ3K = (source: DataView, target: Float32Array): void => {
  for (let block = 0, at = 0; block < target.length; block += SUPER_BLOCK, at += 110) {
    const scale = numberFromFloat16(source.getUint16(at + 108, true));
    for (let sub = 0; sub < 16; sub++) {
      const d = scale * (q3SubScale(source, at + 96, sub) - 32);
      for (let index = 0; index < SMALL_SUB_BLOCK; index++) {
        const third = (source.getUint8(at + (sub & 1) * SMALL_SUB_BLOCK + index) >>> (sub >>> 1)) & 1;
        const code = (bitPair(source, at + 32, sub, index) | (third << 2)) - 4;
        target[block + sub * SMALL_SUB_BLOCK + index] = d * code;
      }
    }
  }
};

const bitPair = (source: DataView, at: number, sub: number, index: number): number =>
  (source.getUint8(at + (sub >>> 3) * 32 + (sub & 1) * SMALL_SUB_BLOCK + index) >>> (sub & 6)) & 3;

/** Eight bytes hold the lower nibbles of two scales each, four more the upper bit pairs of four scales each. */
const q3SubScale = (source: DataView, at: number, sub: number): number =>
  ((source.getUint8(at + (sub & 7)) >>> (4 * (sub >>> 3))) & 15) |
  (((source.getUint8(at + 8 + (sub & 3)) >>> (2 * (sub >>> 2))) & 3) << 4);

/** 256 numbers: float16 scale and minimum, eight 6-bit scales and minima in 12 bytes, 128 bytes of nibbles. */
export const dequantizeQ4K = (source: DataView, target: Float32Array): void => dequantizeK(source, target, 0);

/** Same as Q4_K, with 32 bytes of fifth bits before the nibbles. */
export const dequantizeQ5K = (source: DataView, target: Float32Array): void => dequantizeK(source, target, 32);

const dequantizeK = (source: DataView, target: Float32Array, highBytes: number): void => {
  const blockBytes = 16 + highBytes + 128;
  for (let block = 0, at = 0; block < target.length; block += SUPER_BLOCK, at += blockBytes) {
    const scale = numberFromFloat16(source.getUint16(at, true));
    const minimum = numberFromFloat16(source.getUint16(at + 2, true));
    for (let sub = 0; sub < 8; sub++) {
      const d = Math.fround(scale * subScale(source, at + 4, sub));
      const m = Math.fround(minimum * subMinimum(source, at + 4, sub));
      const nibbles = at + 16 + highBytes + (sub >>> 1) * SUB_BLOCK;
      const shift = (sub & 1) * 4;
      for (let index = 0; index < SUB_BLOCK; index++) {
        const low = (source.getUint8(nibbles + index) >>> shift) & 15;
        const high = highBytes ? ((source.getUint8(at + 16 + index) >>> sub) & 1) << 4 : 0;
        target[block + sub * SUB_BLOCK + index] = Math.fround(d * (low | high)) - m;
      }
    }
  }
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

/** 256 numbers: 128 bytes of low nibbles, 64 of upper bit pairs, sixteen signed 8-bit scales, a float16 scale; centred on 32. */
export const dequantizeQ6K = (source: DataView, target: Float32Array): void => {
  for (let block = 0, at = 0; block < target.length; block += SUPER_BLOCK, at += 210) {
    const scale = numberFromFloat16(source.getUint16(at + 208, true));
    for (let index = 0; index < SUPER_BLOCK; index++) {
      const half = index >>> 7;
      const within = index & 127;
      const low = source.getUint8(at + half * 64 + (within & 63));
      const high = source.getUint8(at + 128 + half * 32 + (within & 31));
      const nibble = within < 64 ? low & 15 : low >>> 4;
      const code = (nibble | (((high >>> (2 * (within >>> 5))) & 3) << 4)) - 32;
      target[block + index] = Math.fround(scale * source.getInt8(at + 192 + (index >>> 4))) * code;
    }
  }
};
