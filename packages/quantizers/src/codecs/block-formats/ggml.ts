import { extremesOf, type GroupCoder, largestMagnitude, readFloat16, writeFloat16 } from "./group-coder.ts";

/*
 * Blocks of 32 numbers as in ggml: `quantize_row_*_ref` and `dequantize_row_*` of ggml/src/ggml-quants.c, in float32. Byte
 * orders are those of `block_*` in ggml-common.h: scale, minimum, fifth bits, low bits.
 *
 * llama.cpp's cache encodes by `from_float`, which gives the same bytes for all types but q8_0. There, builds for AVX2 round
 * halves to even and divide 127 by the largest magnitude, so a code in about 2000 differs by one.
 */

const HALF = 16;
const { fround } = Math;
const inverseOf = (scale: number): number => (scale === 0 ? 0 : fround(1 / scale));

/** A float32 as C casts it to a signed byte and clamps it above. The cast of a number beyond 32 bits gives 0. */
const cut = (x: number, highest: number): number => Math.min(Math.abs(x) < 2 ** 31 ? Math.trunc(x) : 0, highest) & 0xff;

/** Codes of at most 5 bits: low ones of number `j` and `j + 16` in one byte, the fifth ones in four bytes before. */
const storeCodes = (codes: Uint8Array, bytes: Uint8Array, offset: number, bits: number): void => {
  const low = bits === 5 ? offset + 4 : offset;
  for (let j = 0; j < HALF; j++) bytes[low + j] = (codes[j]! & 15) | ((codes[j + HALF]! & 15) << 4);
  if (bits === 5) for (const [j, code] of codes.entries()) bytes[offset + (j >> 3)]! |= (code >> 4) << (j & 7);
};

const loadCodes = (bytes: Uint8Array, offset: number, bits: number): Uint8Array => {
  const low = bits === 5 ? offset + 4 : offset;
  return Uint8Array.from({ length: 2 * HALF }, (_, j) => {
    const code = (bytes[low + (j % HALF)]! >> (j < HALF ? 0 : 4)) & 15;
    return bits === 5 ? code | (((bytes[offset + (j >> 3)]! >> (j & 7)) & 1) << 4) : code;
  });
};

/** The first number of the largest magnitude, with its sign. */
const extremeOf = (x: Float32Array): number => {
  const magnitude = largestMagnitude(x);
  return x.find((number) => Math.abs(number) === magnitude)!;
};

/** q4_0 and q5_0: `d = extreme / -2^(bits-1)`, `code = trunc(x / d + 2^(bits-1) + 0.5)`. */
const symmetric = (bits: 4 | 5): GroupCoder => {
  const zero = 2 ** (bits - 1);
  return {
    encode: (x, bytes) => {
      const scale = fround(extremeOf(x) / -zero);
      const inverse = inverseOf(scale);
      writeFloat16(bytes, 0, scale);
      const codes = Uint8Array.from(x, (number) => cut(fround(fround(number * inverse) + zero + 0.5), 2 * zero - 1));
      storeCodes(codes, bytes, 2, bits);
    },
    decode: (bytes, x) => {
      const scale = readFloat16(bytes, 0);
      for (const [j, code] of loadCodes(bytes, 2, bits).entries()) x[j] = (code - zero) * scale;
    },
  };
};

/** q4_1 and q5_1: `d = (max - min) / (2^bits - 1)`, `code = trunc((x - min) / d + 0.5)`. */
const affine = (bits: 4 | 5): GroupCoder => {
  const highest = 2 ** bits - 1;
  return {
    encode: (x, bytes) => {
      const { smallest, largest } = extremesOf(x);
      const scale = fround(fround(largest - smallest) / highest);
      const inverse = inverseOf(scale);
      writeFloat16(bytes, 0, scale);
      writeFloat16(bytes, 2, smallest);
      const codes = Uint8Array.from(x, (number) =>
        cut(fround(fround(fround(number - smallest) * inverse) + 0.5), highest),
      );
      storeCodes(codes, bytes, 4, bits);
    },
    decode: (bytes, x) => {
      const [scale, minimum] = [readFloat16(bytes, 0), readFloat16(bytes, 2)];
      for (const [j, code] of loadCodes(bytes, 4, bits).entries()) x[j] = fround(code * scale) + minimum;
    },
  };
};

/** q8_0: `d = max |x| / 127`, `code = round(x / d)`, halves away from zero. */
const bytewise: GroupCoder = {
  encode: (x, bytes) => {
    const scale = fround(largestMagnitude(x) / 127);
    const inverse = inverseOf(scale);
    writeFloat16(bytes, 0, scale);
    for (const [j, number] of x.entries()) {
      const share = fround(number * inverse);
      bytes[2 + j] = Math.abs(share) < 2 ** 31 ? Math.sign(share) * Math.floor(Math.abs(share) + 0.5) : 0;
    }
  },
  decode: (bytes, x) => {
    const scale = readFloat16(bytes, 0);
    for (let j = 0; j < x.length; j++) x[j] = ((bytes[2 + j]! << 24) >> 24) * scale;
  },
};

/** Levels of iq4_nl. */
const LEVELS = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;
const SMALLEST_GROUP = fround(1e-15);

/** Index of the level nearest to `x`; of two equally near, the larger. */
const nearestLevel = (x: number): number => {
  let index = 0;
  while (index < 15 && 2 * x >= LEVELS[index]! + LEVELS[index + 1]!) index++;
  return index;
};

/** iq4_nl: the level nearest to `x / d` with `d = extreme / -127`, then the `d` of least squared error, weighted by `x^2`. */
const nonlinear: GroupCoder = {
  encode: (x, bytes) => {
    const extreme = extremeOf(x);
    if (Math.abs(extreme) < SMALLEST_GROUP) return;
    const inverse = fround(1 / fround(extreme / LEVELS[0]));
    const codes = Uint8Array.from(x, (number) => nearestLevel(fround(inverse * number)));
    let [product, square] = [0, 0];
    for (const [j, number] of x.entries()) {
      const level = LEVELS[codes[j]!]!;
      const weighted = fround(fround(number * number) * level);
      product = fround(product + fround(weighted * number));
      square = fround(square + fround(weighted * level));
    }
    writeFloat16(bytes, 0, fround(product / square));
    storeCodes(codes, bytes, 2, 4);
  },
  decode: (bytes, x) => {
    const scale = readFloat16(bytes, 0);
    for (const [j, code] of loadCodes(bytes, 2, 4).entries()) x[j] = LEVELS[code]! * scale;
  },
};

/** ggml's types that llama.cpp offers for its cache. */
export const GGML: Readonly<Record<"q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl", GroupCoder>> = {
  q8_0: bytewise,
  q5_1: affine(5),
  q5_0: symmetric(5),
  q4_1: affine(4),
  q4_0: symmetric(4),
  iq4_nl: nonlinear,
};
