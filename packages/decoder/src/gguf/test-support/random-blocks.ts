import { float16FromNumber } from "@kvtuner/quantizers";

/** Types of {@link randomBlocks}, with the bytes of a block of 32 and the largest code. */
const TYPES: Readonly<Record<number, { readonly blockBytes: number; readonly codes: number }>> = {
  2: { blockBytes: 18, codes: 15 },
  3: { blockBytes: 20, codes: 15 },
  6: { blockBytes: 22, codes: 31 },
  7: { blockBytes: 24, codes: 31 },
  8: { blockBytes: 34, codes: 255 },
};

/**
 * Stored bytes of `count` random numbers from about `-scale` to `scale`, of type Q4_0 (2), Q4_1 (3), Q5_0 (6), Q5_1 (7)
 * or Q8_0 (8). All codes are equally likely; each block has its own scale and minimum.
 */
export const randomBlocks = (typeId: number, count: number, scale: number, random: () => number): Uint8Array => {
  const { blockBytes, codes } = TYPES[typeId]!;
  const bytes = Uint8Array.from({ length: (count / 32) * blockBytes }, () => Math.floor(256 * random()));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const step = ((0.5 + random()) * 2 * scale) / codes;
    view.setUint16(at, float16FromNumber(step), true);
    if (typeId === 3 || typeId === 7) view.setUint16(at + 2, float16FromNumber((-step * codes) / 2), true);
  }
  return bytes;
};
