import type { BlockCodes } from "./block-codes.ts";

/** Numbers per block of {@link roundedBlocks}. */
export const ROUNDED_BLOCK = 32;

const LARGEST_CODE = 127;

/** Numbers rounded to 8 bits as in ggml's Q8_0, but with scales in float32: the largest of a block gets the code ±127. */
export const roundedBlocks = (numbers: Float32Array): BlockCodes => {
  const codes = new Int8Array(numbers.length);
  const scales = new Float32Array(numbers.length / ROUNDED_BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const start = block * ROUNDED_BLOCK;
    const scale = largestOf(numbers, start) / LARGEST_CODE;
    scales[block] = scale;
    if (scale === 0) continue;
    for (let index = start; index < start + ROUNDED_BLOCK; index++) codes[index] = Math.round(numbers[index]! / scale);
  }
  return { blockSize: ROUNDED_BLOCK, bits: 8, codes, scales };
};

const largestOf = (numbers: Float32Array, start: number): number => {
  let largest = 0;
  for (let index = start; index < start + ROUNDED_BLOCK; index++)
    largest = Math.max(largest, Math.abs(numbers[index]!));
  return largest;
};
