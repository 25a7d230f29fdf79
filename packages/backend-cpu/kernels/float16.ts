/** What float16 needs to become f32: the bits to keep, and 2^112; loaded, because engines build constants anew at each use. */
const EXPANSION = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000, 0x77800000, 0x77800000, 0x77800000, 0x77800000], 16);

/** Four float16 in the low halves of i32 lanes, sign-extended, as f32 that are 2^112 times too small. */
// @ts-ignore: decorator
@inline
function expandRaw(words: v128): v128 {
  return v128.and(i32x4.shl(words, 13), v128.load(EXPANSION));
}

/** Moves the lower half of a lane, with its sign, up by 13 bits. */
// prettier-ignore
const EVEN_SHIFT = memory.data<u16>([8192, 0, 8192, 0, 8192, 0, 8192, 0], 16);

/** Of eight float16 the four at even places, 2^112 times too small: two instructions. */
// @ts-ignore: decorator
@inline
export function expandEven(halves: v128): v128 {
  return v128.and(i32x4.dot_i16x8_s(halves, v128.load(EVEN_SHIFT)), v128.load(EXPANSION));
}

/** The four at odd places. */
// @ts-ignore: decorator
@inline
export function expandOdd(halves: v128): v128 {
  return v128.and(i32x4.shr_s(halves, 3), v128.load(EXPANSION));
}

/** Four float16 at `at` as f32: exact, subnormals too. */
// @ts-ignore: decorator
@inline
export function loadHalves(at: usize): v128 {
  return f32x4.mul(expandRaw(v128.load16x4_s(at)), v128.load(EXPANSION, 16));
}

/** One float16 at `at`. */
export function loadHalf(at: usize): f32 {
  return reinterpret<f32>((<i32>load<i16>(at) << 13) & 0x8fffe000) * reinterpret<f32>(0x77800000);
}

/** The float16 nearest to `x`, halves to even, subnormals kept. */
export function halfOf(x: f32): u32 {
  const word = reinterpret<u32>(x);
  const magnitude = word & 0x7fffffff;
  const sign = (word >>> 16) & 0x8000;
  // Adding 0.5, whose neighbours are 2^-24 apart, rounds to a multiple of the subnormals' step.
  if (magnitude < 0x38800000) return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f000000);
  return sign | (((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - 0x1c000);
}

/** Rounds `count` f32, a multiple of 8, to float16. */
export function storeHalves(from: usize, to: usize, count: i32): void {
  for (let index = 0; index < count; index += 8) {
    const low = halves(v128.load(from));
    const high = halves(v128.load(from, 16));
    v128.store(to, i16x8.narrow_i32x4_u(low, high));
    from += 32;
    to += 16;
  }
}

// @ts-ignore: decorator
@inline
function halves(words: v128): v128 {
  const magnitude = v128.and(words, i32x4.splat(0x7fffffff));
  const sign = v128.and(i32x4.shr_u(words, 16), i32x4.splat(0x8000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff)), odd), 13);
  const normal = i32x4.sub(rounded, i32x4.splat(0x1c000));
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat(0x38800000));
  return v128.or(sign, v128.bitselect(subnormal, normal, isSubnormal));
}

/** `count` float16, a multiple of 4, as f32. */
export function loadRow(from: usize, to: usize, count: i32): void {
  for (let index = 0; index < count; index += 4) {
    v128.store(to, loadHalves(from));
    from += 8;
    to += 16;
  }
}

/** Index of the first of `count` f32 that is NaN or above the largest float16 in magnitude; -1 when there is none. */
export function firstUnstorable(from: usize, count: i32): i32 {
  for (let index = 0; index < count; index++) {
    const magnitude = load<u32>(from + (<usize>index << 2)) & 0x7fffffff;
    if (magnitude > 0x477fe000) return index;
  }
  return -1;
}
