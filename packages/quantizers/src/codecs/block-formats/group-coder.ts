import { float16FromNumber, numberFromFloat16 } from "../../float16.ts";

/** Codes the numbers of one group in the bytes that a runtime stores for it. */
export interface GroupCoder {
  /**
   * Fills `bytes`, which are zero, with the coded `x`.
   *
   * @param scales the fixed scales: one, or one per number; empty for formats without
   */
  encode(x: Float32Array, bytes: Uint8Array, scales: Float32Array): void;
  /** Fills `x` with the numbers of `bytes`. */
  decode(bytes: Uint8Array, x: Float32Array, scales: Float32Array): void;
}

/** Stores the float16 nearest to `x` in two bytes, the lower one first. Returns its number. */
export const writeFloat16 = (bytes: Uint8Array, offset: number, x: number): number => {
  const bits = float16FromNumber(x);
  bytes[offset] = bits & 0xff;
  bytes[offset + 1] = bits >>> 8;
  return numberFromFloat16(bits);
};

/** The float16 of two bytes. */
export const readFloat16 = (bytes: Uint8Array, offset: number): number =>
  numberFromFloat16(bytes[offset]! | (bytes[offset + 1]! << 8));

/** Smallest and largest number of a group. */
export const extremesOf = (x: Float32Array): { readonly smallest: number; readonly largest: number } => {
  let [smallest, largest] = [x[0]!, x[0]!];
  for (const number of x) {
    if (number < smallest) smallest = number;
    if (number > largest) largest = number;
  }
  return { smallest, largest };
};

/** Largest magnitude of a group. */
export const largestMagnitude = (x: Float32Array): number => {
  const { smallest, largest } = extremesOf(x);
  return Math.max(-smallest, largest);
};

/** `x` within 0 and `highest`; 0 for NaN, which a quotient of zeros gives. */
export const clampCode = (x: number, highest: number): number => (x > 0 ? Math.min(x, highest) : 0);
