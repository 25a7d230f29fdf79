import { multiplyAdd } from "./multiply-add";

/** Adding and taking away 1.5 * 2^23 rounds an f32 of moderate size to the nearest integer. */
export const ROUND_MAGIC: f32 = 12582912;

/**
 * Rounds `count` f32, a multiple of 8, to int16 with the unit that makes the largest magnitude, which is `magnitude`, the
 * integer `largest`; returns the unit, 0 when all are 0.
 *
 * Codes are not negative, so that an error of a factor counts up to the largest code. Callers take the constant part of
 * their sum from the middle code: it is the exact numbers' for `minimum + middle * scale`, less `middle` times the sum of
 * the rounded factors. Only what a code is off the middle then multiplies the error.
 */
export function roundFactors(from: usize, to: usize, count: i32, largest: i32, magnitude: f32): f32 {
  if (magnitude < 1e-30) {
    memory.fill(to, 0, <usize>count << 1);
    return 0;
  }
  const inverse = f32x4.splat(<f32>largest / magnitude);
  const magic = f32x4.splat(ROUND_MAGIC);
  const end = from + (<usize>count << 2);
  while (from < end) {
    v128.store(to, roundEight(v128.load(from), v128.load(from, 16), inverse, magic));
    from += 32;
    to += 16;
  }
  return magnitude / <f32>largest;
}

/** Eight f32 times `factor`, as int16; `magic` is {@link ROUND_MAGIC} in every lane. */
// @ts-ignore: decorator
@inline
export function roundEight(low: v128, high: v128, factor: v128, magic: v128): v128 {
  const first = i32x4.sub(multiplyAdd(low, factor, magic), magic);
  const second = i32x4.sub(multiplyAdd(high, factor, magic), magic);
  return i16x8.narrow_i32x4_s(first, second);
}

/** Sum of `count` int16, a multiple of 8. */
export function factorSum(at: usize, count: i32): i32 {
  let sum = i32x4.splat(0);
  const ones = i16x8.splat(1);
  for (const end = at + (<usize>count << 1); at < end; at += 16)
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(at), ones));
  return laneSum(sum);
}

// @ts-ignore: decorator
@inline
export function laneSum(x: v128): i32 {
  return i32x4.extract_lane(x, 0) + i32x4.extract_lane(x, 1) + (i32x4.extract_lane(x, 2) + i32x4.extract_lane(x, 3));
}

// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

// @ts-ignore: decorator
@inline
export function largestLane(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}
