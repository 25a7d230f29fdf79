import { LOWER_BITS, multipliesBytes } from "./layout";

// prettier-ignore
const HALF_LOWER = memory.data<u16>([64, 64, 64, 64, 64, 64, 64, 64], 16);

/**
 * Turns `count` int16 factors, a multiple of 8, into what panels of `bits` bits are multiplied with, in place: nothing to do
 * for int16; for bytes four upper ones `x >> 7`, rounded, and the four lower ones that are left, k by k in the order of
 * `layout.ts`.
 */
export function splitFactors(bits: i32, at: usize, count: i32): void {
  if (!multipliesBytes(bits)) return;
  const half = v128.load(HALF_LOWER);
  for (const end = at + (<usize>count << 1); at < end; at += 16) {
    const x = v128.load(at);
    const upper = i16x8.shr_s(i16x8.add(x, half), LOWER_BITS);
    const lower = i16x8.sub(x, i16x8.shl(upper, LOWER_BITS));
    const bytes = i8x16.narrow_i16x8_s(upper, lower);
    v128.store(at, v128.shuffle<u8>(bytes, bytes, 0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15));
  }
}
