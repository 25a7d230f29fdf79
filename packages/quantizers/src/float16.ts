const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** Float32 words of 2^-14, the smallest normal float16; of 65520, the first number that overflows; of infinity; of NaN. */
const SMALLEST_NORMAL_WORD = 0x38800000;
const OVERFLOW_WORD = 0x477ff000;
const INFINITE_WORD = 0x7f800000;
const NAN_WORD = 0x7fc00000;
const SMALLEST_NORMAL = 2 ** -14;
const SUBNORMAL_STEP = 2 ** -24;
/** Adding and subtracting 1.5 * 2^52 rounds a double of moderate size to the nearest integer, half to even. */
const ROUND_MAGIC = 6_755_399_441_055_744;

/** Largest finite float16. */
export const MAX_FLOAT16 = 65_504;

/** Nearest integer, halves to even; exact for |x| < 2^51. */
export const roundHalfToEven = (x: number): number => x + ROUND_MAGIC - ROUND_MAGIC;

/**
 * Nearest float16 of a float32 as a number, halves to even, subnormals kept. From 65520 on the result is infinite.
 */
export const roundToFloat16 = (x: number): number => {
  floats[0] = x;
  words[0] = roundWord(words[0]!, x);
  return floats[0];
};

/** Rounds every number of `source` into `target`, which may be the same array. */
export const roundArrayToFloat16 = (source: Float32Array, target: Float32Array): void => {
  const from = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const to = new Uint32Array(target.buffer, target.byteOffset, source.length);
  for (let index = 0; index < from.length; index++) {
    const word = from[index]!;
    const magnitude = word & 0x7fffffff;
    to[index] =
      magnitude >= SMALLEST_NORMAL_WORD && magnitude < OVERFLOW_WORD
        ? (word + 0xfff + ((word >>> 13) & 1)) & 0xffffe000
        : roundWord(word, source[index]!);
  }
};

/** Word of the float16 nearest to the float32 `x` with the given word. */
const roundWord = (word: number, x: number): number => {
  const magnitude = word & 0x7fffffff;
  if (magnitude > INFINITE_WORD) return NAN_WORD;
  if (magnitude >= OVERFLOW_WORD) return (word & 0x80000000) | INFINITE_WORD;
  if (magnitude >= SMALLEST_NORMAL_WORD) return (word + 0xfff + ((word >>> 13) & 1)) & 0xffffe000;
  floats[0] = roundHalfToEven(Math.abs(x) / SUBNORMAL_STEP) * SUBNORMAL_STEP;
  return (word & 0x80000000) | words[0]!;
};

/** The 16 bits of the float16 nearest to `x`, taken as float32. */
export const float16FromNumber = (x: number): number => {
  const rounded = roundToFloat16(x);
  const word = words[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = Math.abs(rounded);
  if (Number.isNaN(rounded)) return 0x7e00;
  if (magnitude > MAX_FLOAT16) return sign | 0x7c00;
  if (magnitude < SMALLEST_NORMAL) return sign | (magnitude / SUBNORMAL_STEP);
  return sign | ((((word >>> 23) & 0xff) - 112) << 10) | ((word >>> 13) & 0x3ff);
};

/** The number of 16 float16 bits. */
export const numberFromFloat16 = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

/**
 * The 16 bits of the smallest float16 that is not below the positive `x`. Rounding a scale down would push the largest numbers
 * out of range, far where float16 is subnormal.
 */
export const float16NotBelow = (x: number): number => {
  const bits = float16FromNumber(x);
  return numberFromFloat16(bits) < x ? bits + 1 : bits;
};
