import { numberFromFloat16 } from "@kvtuner/quantizers";

/** Layouts of ggml's `block_q4_0` and similar types: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h */
const BLOCK = 32;
const HALF = BLOCK / 2;

/** float32, little endian. */
export const dequantizeF32 = (source: DataView, target: Float32Array): void => {
  for (let index = 0; index < target.length; index++) target[index] = source.getFloat32(4 * index, true);
};

/** float16, little endian. */
export const dequantizeF16 = (source: DataView, target: Float32Array): void => {
  for (let index = 0; index < target.length; index++)
    target[index] = numberFromFloat16(source.getUint16(2 * index, true));
};

/** bfloat16: the upper half of a float32. */
export const dequantizeBf16 = (source: DataView, target: Float32Array): void => {
  const words = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let index = 0; index < words.length; index++) words[index] = source.getUint16(2 * index, true) << 16;
};

/** Blocks of a float16 scale and 32 signed bytes. */
export const dequantizeQ8 = (source: DataView, target: Float32Array): void => {
  for (let block = 0, at = 0; block < target.length; block += BLOCK, at += 2 + BLOCK) {
    const scale = numberFromFloat16(source.getUint16(at, true));
    for (let index = 0; index < BLOCK; index++) target[block + index] = scale * source.getInt8(at + 2 + index);
  }
};

/**
 * Blocks of a float16 scale, with `hasMinimum` a float16 minimum (otherwise codes are centred on 8), and 32 nibbles. A
 * float16 times five bits is exact in float32, so only the sum is rounded.
 */
export const dequantizeQ4 = (source: DataView, target: Float32Array, hasMinimum: boolean): void => {
  const header = hasMinimum ? 4 : 2;
  for (let block = 0, at = 0; block < target.length; block += BLOCK, at += header + HALF) {
    const scale = numberFromFloat16(source.getUint16(at, true));
    const offset = hasMinimum ? numberFromFloat16(source.getUint16(at + 2, true)) : -8 * scale;
    for (let index = 0; index < HALF; index++) {
      const byte = source.getUint8(at + header + index);
      target[block + index] = scale * (byte & 15) + offset;
      target[block + HALF + index] = scale * (byte >>> 4) + offset;
    }
  }
};

/** Same as {@link dequantizeQ4}, with the fifth bits of the codes in 32 bits before the nibbles; centred on 16. */
export const dequantizeQ5 = (source: DataView, target: Float32Array, hasMinimum: boolean): void => {
  const header = hasMinimum ? 4 : 2;
  for (let block = 0, at = 0; block < target.length; block += BLOCK, at += header + 4 + HALF) {
    const scale = numberFromFloat16(source.getUint16(at, true));
    const offset = hasMinimum ? numberFromFloat16(source.getUint16(at + 2, true)) : -16 * scale;
    const high = source.getUint32(at + header, true);
    for (let index = 0; index < HALF; index++) {
      const byte = source.getUint8(at + header + 4 + index);
      target[block + index] = scale * ((byte & 15) | (((high >>> index) & 1) << 4)) + offset;
      target[block + HALF + index] = scale * ((byte >>> 4) | (((high >>> (index + HALF)) & 1) << 4)) + offset;
    }
  }
};
