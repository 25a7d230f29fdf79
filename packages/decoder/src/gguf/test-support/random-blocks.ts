import { float16FromNumber } from "@kvtuner/quantizers";
import { TENSOR_TYPES } from "../tensor-types.ts";

/** How numbers of a type are drawn. */
interface Draw {
  /** The largest difference of two numbers of a block divided by its scale. */
  readonly range: number;
  /** Byte offset of a block's float16 scale; 0 by default. */
  readonly scaleAt?: number;
  /** The float16 minimum after the scale, divided by the scale; absent without one. */
  readonly minimum?: number;
}

const DRAWS: Readonly<Record<number, Draw>> = {
  2: { range: 15 },
  3: { range: 15, minimum: -7.5 },
  6: { range: 31 },
  7: { range: 31, minimum: -15.5 },
  8: { range: 255 },
  10: { range: 15 * 3, scaleAt: 80, minimum: 1.5 },
  11: { range: 64 * 7, scaleAt: 108 },
  12: { range: 63 * 15, minimum: 7.5 },
  13: { range: 63 * 31, minimum: 15.5 },
  14: { range: 255 * 63, scaleAt: 208 },
  20: { range: 240 },
  23: { range: 32 * 240 },
  39: { range: 24 },
};

/**
 * Stored bytes of `count` random numbers from about `-scale` to `scale`, of any supported type with blocks: Q4_0 (2), Q4_1
 * (3), Q5_0 (6), Q5_1 (7), Q8_0 (8), Q2_K to Q6_K (10 to 14), IQ4_NL (20), IQ4_XS (23) or MXFP4 (39). All codes are
 * equally likely; each block has its own scale and minimum.
 */
export const randomBlocks = (typeId: number, count: number, scale: number, random: () => number): Uint8Array => {
  const { blockSize, blockBytes } = TENSOR_TYPES[typeId]!;
  const { range, scaleAt = 0, minimum } = DRAWS[typeId]!;
  const bytes = Uint8Array.from({ length: (count / blockSize) * blockBytes }, () => Math.floor(256 * random()));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const step = ((0.5 + random()) * 2 * scale) / range;
    if (typeId === 39) view.setUint8(at, 128 + Math.round(Math.log2(step)));
    else view.setUint16(at + scaleAt, float16FromNumber(step), true);
    if (minimum !== undefined) view.setUint16(at + scaleAt + 2, float16FromNumber(step * minimum), true);
  }
  return bytes;
};
