import { float16FromNumber } from "@kvtuner/quantizers";
import { TENSOR_TYPES } from "../tensor-types.ts";

/** Types of {@link randomBlocks}, with the largest difference of two numbers of a block divided by its scale. */
const RANGES: Readonly<Record<number, number>> = {
  2: 15,
  3: 15,
  6: 31,
  7: 31,
  8: 255,
  20: 240,
  23: 32 * 240,
  39: 24,
};

/**
 * Stored bytes of `count` random numbers from about `-scale` to `scale`, of type Q4_0 (2), Q4_1 (3), Q5_0 (6), Q5_1 (7),
 * Q8_0 (8), IQ4_NL (20), IQ4_XS (23) or MXFP4 (39). All codes are equally likely; each block has its own scale and
 * minimum.
 */
export const randomBlocks = (typeId: number, count: number, scale: number, random: () => number): Uint8Array => {
  const { blockSize, blockBytes } = TENSOR_TYPES[typeId]!;
  const range = RANGES[typeId]!;
  const bytes = Uint8Array.from({ length: (count / blockSize) * blockBytes }, () => Math.floor(256 * random()));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const step = ((0.5 + random()) * 2 * scale) / range;
    if (typeId === 39) view.setUint8(at, 128 + Math.round(Math.log2(step)));
    else view.setUint16(at, float16FromNumber(step), true);
    if (typeId === 3 || typeId === 7) view.setUint16(at + 2, float16FromNumber((-step * range) / 2), true);
  }
  return bytes;
};
