import { LOWER_BITS, multipliesBytes } from "./layout";

/** Half of what the lower byte counts, and the order of the bytes; loaded, because engines build v128 constants anew at each use. */
const HALF_LOWER = memory.data<u16>([64, 64, 64, 64, 64, 64, 64, 64], 16);
const ORDER = memory.data<u8>([0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15], 16);

/**
 * Eight int16 factors as panels of `bits` bits are multiplied with: as they are; for bytes, of each four k the upper bytes,
 * which are `x >> 7` rounded, and then the lower ones that are left, in the order of `layout.ts`.
 */
// @ts-ignore: decorator
@inline
export function splitEight(bits: i32, x: v128): v128 {
  if (!multipliesBytes(bits)) return x;
  const upper = i16x8.shr_s(i16x8.add(x, v128.load(HALF_LOWER)), LOWER_BITS);
  const lower = i16x8.sub(x, i16x8.shl(upper, LOWER_BITS));
  const bytes = i8x16.narrow_i16x8_s(upper, lower);
  // @ts-ignore: the compiler defines it
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(bytes, v128.load(ORDER)) : bytes;
}

/** The same of `count` factors, a multiple of 8, in place. */
export function splitFactors(bits: i32, at: usize, count: i32): void {
  if (!multipliesBytes(bits)) return;
  for (const end = at + (<usize>count << 1); at < end; at += 16) v128.store(at, splitEight(bits, v128.load(at)));
}
