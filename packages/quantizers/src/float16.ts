const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

const SMALLEST_NORMAL = 2 ** -14;
const SUBNORMAL_STEP = 2 ** -24;
/** Adding and taking away 1.5 * 2^52 rounds a double of moderate size to the nearest integer, half to even. */
const ROUND_MAGIC = 6_755_399_441_055_744;

/** Largest finite float16. */
export const MAX_FLOAT16 = 65_504;

/** Nearest integer, halves to even; exact for |x| < 2^51. */
export const roundHalfToEven = (x: number): number => x + ROUND_MAGIC - ROUND_MAGIC;

/**
 * Nearest float16 of a float32 as a number, halves to even, subnormals kept. From 65520 on the result is infinite.
 */
export const roundToFloat16 = (x: number): number => {
  if (Math.abs(x) < SMALLEST_NORMAL) return roundHalfToEven(x / SUBNORMAL_STEP) * SUBNORMAL_STEP || x * 0;
  floats[0] = x;
  const bits = words[0]!;
  words[0] = (bits + 0xfff + ((bits >>> 13) & 1)) & 0xffffe000;
  const rounded = floats[0]!;
  return Math.abs(rounded) > MAX_FLOAT16 ? x / 0 : rounded;
};

/** Rounds every number of `source` into `target`, which may be the same array. */
export const roundArrayToFloat16 = (source: Float32Array, target: Float32Array): void => {
  for (let index = 0; index < source.length; index++) target[index] = roundToFloat16(source[index]!);
};

/** The 16 bits of the float16 nearest to `x`. */
export const float16FromNumber = (x: number): number => {
  const rounded = roundToFloat16(Math.fround(x));
  floats[0] = rounded;
  const sign = (words[0]! >>> 16) & 0x8000;
  const magnitude = Math.abs(rounded);
  if (Number.isNaN(rounded)) return 0x7e00;
  if (magnitude > MAX_FLOAT16) return sign | 0x7c00;
  if (magnitude < SMALLEST_NORMAL) return sign | (magnitude / SUBNORMAL_STEP);
  return sign | ((((words[0]! >>> 23) & 0xff) - 112) << 10) | ((words[0]! >>> 13) & 0x3ff);
};

/** The number that 16 bits stand for. */
export const numberFromFloat16 = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};
