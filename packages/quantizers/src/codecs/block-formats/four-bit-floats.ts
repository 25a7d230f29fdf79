import { float8FromNumber, numberFromFloat8 } from "../float8.ts";
import { type GroupCoder, largestMagnitude } from "./group-coder.ts";

/** Magnitudes of e2m1, a float of 2 exponent bits and 1 mantissa bit, by code. The sign is the fourth bit. */
const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6] as const;
const LARGEST = 6;
const LARGEST_EXPONENT = 2;

/** The e2m1 nearest to `x`, halves to the even code, clamped to 6. */
export const e2m1FromNumber = (x: number): number => {
  const magnitude = Math.abs(x);
  let code = 0;
  while (code < 7 && isBeyondMiddle(magnitude, code)) code++;
  return x < 0 || Object.is(x, -0) ? code | 8 : code;
};

const isBeyondMiddle = (magnitude: number, code: number): boolean => {
  const middle = (MAGNITUDES[code]! + MAGNITUDES[code + 1]!) / 2;
  return magnitude > middle || (magnitude === middle && code % 2 === 1);
};

/** The number of four bits. */
export const numberFromE2m1 = (code: number): number => (code & 8 ? -1 : 1) * MAGNITUDES[code & 7]!;

/** Number `j` in the low bits of byte `j / 2` if even, in the high ones if odd. */
const storeCodes = (x: Float32Array, scale: number, bytes: Uint8Array): void => {
  for (const [j, number] of x.entries())
    bytes[1 + (j >> 1)]! |= e2m1FromNumber(scale === 0 ? 0 : number / scale) << (4 * (j & 1));
};

const loadCodes = (bytes: Uint8Array, scale: number, x: Float32Array): void => {
  for (let j = 0; j < x.length; j++) x[j] = numberFromE2m1((bytes[1 + (j >> 1)]! >> (4 * (j & 1))) & 15) * scale;
};

const EXPONENT_BIAS = 127;

/**
 * MXFP4: 32 numbers share a power of two, stored as its exponent plus 127. `scale = 2^(floor(log2(max |x|)) - 2)`, `code =
 * e2m1(x / scale)` (OCP Microscaling Formats 1.0, sections 5.3.3 and 6.3).
 */
const mxfp4: GroupCoder = {
  encode: (x, bytes) => {
    const exponent = floorLog2(largestMagnitude(x)) - LARGEST_EXPONENT;
    bytes[0] = Math.max(0, Math.min(exponent + EXPONENT_BIAS, 254));
    storeCodes(x, 2 ** (bytes[0] - EXPONENT_BIAS), bytes);
  },
  decode: (bytes, x) => loadCodes(bytes, 2 ** (bytes[0]! - EXPONENT_BIAS), x),
};

/** Exact, unlike `Math.floor(Math.log2(x))`; -149 or less for what float32 stores as 0. */
const floorLog2 = (x: number): number => {
  const guess = Math.floor(Math.log2(Math.max(x, 2 ** -149)));
  if (2 ** guess > x) return guess - 1;
  return 2 ** (guess + 1) <= x ? guess + 1 : guess;
};

/**
 * NVFP4: 16 numbers share an e4m3 scale, and all groups a float32 one, which is fixed: `s = e4m3(max |x| / (6 fixed))`, `code =
 * e2m1(x / (s fixed))` (NVIDIA, "Introducing NVFP4", 2025; cuDNN's block scaling).
 */
const nvfp4: GroupCoder = {
  encode: (x, bytes, [fixed]) => {
    bytes[0] = float8FromNumber(Math.fround(Math.fround(largestMagnitude(x) / LARGEST) / fixed!), "e4m3");
    storeCodes(x, numberFromFloat8(bytes[0], "e4m3") * fixed!, bytes);
  },
  decode: (bytes, x, [fixed]) => loadCodes(bytes, numberFromFloat8(bytes[0]!, "e4m3") * fixed!, x),
};

/** Formats of 4-bit floats. */
export const FOUR_BIT_FLOATS: Readonly<Record<"mxfp4" | "nvfp4", GroupCoder>> = { mxfp4, nvfp4 };
