/**
 * Decodes whole channels of a tile to int16, by tables of bytes: of each 16 levels the lower bytes, then the upper ones. Groups of 16 tokens
 * are unrolled, because engines know constant shifts only.
 */

/** Bits of planes at their places in a code: 4 at 0, 2 at 0, 1 at 0, 1 at 2, 1 at 4, 2 at 4, 1 at 6; then 32. The masks of 1 at 4 and 2 at 4 are also 16 and 48. */
// prettier-ignore
const MASKS = memory.data<u32>([
  0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x03030303, 0x03030303, 0x03030303, 0x03030303,
  0x01010101, 0x01010101, 0x01010101, 0x01010101, 0x04040404, 0x04040404, 0x04040404, 0x04040404,
  0x10101010, 0x10101010, 0x10101010, 0x10101010, 0x30303030, 0x30303030, 0x30303030, 0x30303030,
  0x40404040, 0x40404040, 0x40404040, 0x40404040, 0x20202020, 0x20202020, 0x20202020, 0x20202020,
], 16);

/** Bytes of a plane of 1 bit. */
const PLANE: usize = 16;

/** Decodes 128 codes of `width` bits, 1 to 8, into int16 `[128]`. */
export function decodeWords(codes: usize, width: i32, table: usize, to: usize): void {
  if (width === 3) decode3(codes, table, to);
  else if (width === 2) decode2(codes, table, to);
  else if (width === 4) decode4(codes, table, to);
  else if (width === 1) decode1(codes, table, to);
  else if (width === 5) decode5(codes, table, to);
  else if (width === 6) decode6(codes, table, to);
  else if (width === 7) decode7(codes, table, to);
  else decode8(codes, table, to);
}

// Exported, because the compiler would otherwise put all widths into one function that branches at each group.
export function decode1(codes: usize, table: usize, to: usize): void {
  eachGroup(1, codes, table, to);
}
export function decode2(codes: usize, table: usize, to: usize): void {
  eachGroup(2, codes, table, to);
}
export function decode3(codes: usize, table: usize, to: usize): void {
  eachGroup(3, codes, table, to);
}
export function decode4(codes: usize, table: usize, to: usize): void {
  eachGroup(4, codes, table, to);
}
export function decode5(codes: usize, table: usize, to: usize): void {
  eachGroup(5, codes, table, to);
}
export function decode6(codes: usize, table: usize, to: usize): void {
  eachGroup(6, codes, table, to);
}
export function decode7(codes: usize, table: usize, to: usize): void {
  eachGroup(7, codes, table, to);
}
export function decode8(codes: usize, table: usize, to: usize): void {
  eachGroup(8, codes, table, to);
}

// @ts-ignore: decorator
@inline
function eachGroup(WIDTH: i32, codes: usize, table: usize, to: usize): void {
  const low = v128.load(table);
  const high = v128.load(table, 16);
  group(WIDTH, 0, codes, table, low, high, to);
  group(WIDTH, 1, codes, table, low, high, to);
  group(WIDTH, 2, codes, table, low, high, to);
  group(WIDTH, 3, codes, table, low, high, to);
  group(WIDTH, 4, codes, table, low, high, to);
  group(WIDTH, 5, codes, table, low, high, to);
  group(WIDTH, 6, codes, table, low, high, to);
  group(WIDTH, 7, codes, table, low, high, to);
}

// @ts-ignore: decorator
@inline
function group(WIDTH: i32, GROUP: i32, codes: usize, table: usize, low: v128, high: v128, to: usize): void {
  const code = codesOf(WIDTH, GROUP, codes);
  let lows = i8x16.swizzle(low, code);
  let highs = i8x16.swizzle(high, code);
  if (WIDTH > 4) {
    const next = i8x16.sub(code, v128.load(MASKS, 64));
    lows = v128.or(lows, i8x16.swizzle(v128.load(table, 32), next));
    highs = v128.or(highs, i8x16.swizzle(v128.load(table, 48), next));
  }
  if (WIDTH > 5) {
    const third = i8x16.sub(code, v128.load(MASKS, 112));
    const fourth = i8x16.sub(code, v128.load(MASKS, 80));
    lows = v128.or(lows, v128.or(i8x16.swizzle(v128.load(table, 64), third), i8x16.swizzle(v128.load(table, 96), fourth)));
    highs = v128.or(highs, v128.or(i8x16.swizzle(v128.load(table, 80), third), i8x16.swizzle(v128.load(table, 112), fourth)));
  }
  if (WIDTH > 6) {
    for (let index: usize = 4; index < 1 << (WIDTH - 4); index++) {
      const rest = i8x16.sub(code, i8x16.splat(<i8>(index << 4)));
      lows = v128.or(lows, i8x16.swizzle(v128.load(table + (index << 5)), rest));
      highs = v128.or(highs, i8x16.swizzle(v128.load(table + (index << 5), 16), rest));
    }
  }
  storeWords(lows, highs, to + ((<usize>GROUP) << 5));
}

/** The codes of a group as bytes. */
// @ts-ignore: decorator
@inline
function codesOf(WIDTH: i32, GROUP: i32, codes: usize): v128 {
  if (WIDTH === 8) return v128.load(codes + 16 * <usize>GROUP);
  if (WIDTH === 1) return one(codes, GROUP, 0, 2);
  if (WIDTH === 2) return two(codes, GROUP, 0, 1);
  if (WIDTH === 3) return v128.or(two(codes, GROUP, 0, 1), one(codes + 2 * PLANE, GROUP, 2, 3));
  const lower = four(codes, GROUP);
  if (WIDTH === 4) return lower;
  const upper = codes + 4 * PLANE;
  if (WIDTH === 5) return v128.or(lower, one(upper, GROUP, 4, 4));
  const six = v128.or(lower, two(upper, GROUP, 4, 5));
  return WIDTH === 6 ? six : v128.or(six, one(upper + 2 * PLANE, GROUP, 6, 6));
}

// @ts-ignore: decorator
@inline
function four(plane: usize, GROUP: i32): v128 {
  return moved(v128.load(plane + PLANE * <usize>(GROUP >> 1)), 4 * (GROUP & 1), 0, 0);
}

// @ts-ignore: decorator
@inline
function two(plane: usize, GROUP: i32, TO: i32, MASK: i32): v128 {
  return moved(v128.load(plane + PLANE * <usize>(GROUP >> 2)), 2 * (GROUP & 3), TO, MASK);
}

// @ts-ignore: decorator
@inline
function one(plane: usize, GROUP: i32, TO: i32, MASK: i32): v128 {
  return moved(v128.load(plane), GROUP, TO, MASK);
}

/** Bits of each byte from place `FROM` to place `TO`. */
// @ts-ignore: decorator
@inline
function moved(bytes: v128, FROM: i32, TO: i32, MASK: i32): v128 {
  const mask = v128.load(MASKS + 16 * <usize>MASK);
  if (FROM > TO) return v128.and(i16x8.shr_u(bytes, FROM - TO), mask);
  if (FROM < TO) return v128.and(i16x8.shl(bytes, TO - FROM), mask);
  return v128.and(bytes, mask);
}

// @ts-ignore: decorator
@inline
function storeWords(low: v128, high: v128, to: usize): void {
  v128.store(to, v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  v128.store(to, v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16);
}

/** Logarithmic gains of a group of 16 tokens. */
export function gainCodes(gains: usize, index: i32): v128 {
  const bytes = v128.load(gains + PLANE * <usize>(index >> 1));
  return v128.and(index & 1 ? i16x8.shr_u(bytes, 4) : bytes, v128.load(MASKS));
}
