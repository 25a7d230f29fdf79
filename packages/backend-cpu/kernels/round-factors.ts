/** Adding and taking away 1.5 * 2^23 rounds an f32 of moderate size to the nearest integer. */
const ROUND_MAGIC: f32 = 12582912;

/** What the last {@link roundFactors} lost: the sum of the numbers less that of the rounded ones, in units. */
export let lost: f32 = 0;

/**
 * Rounds `count` f32, a multiple of 8, to int16 with the unit that makes the largest magnitude `largest`; returns the unit,
 * 0 when all are 0.
 */
export function roundFactors(from: usize, to: usize, count: i32, largest: i32): f32 {
  const magnitude = largestMagnitude(from, count);
  if (magnitude < 1e-30) {
    memory.fill(to, 0, <usize>count << 1);
    lost = 0;
    return 0;
  }
  const inverse = f32x4.splat(<f32>largest / magnitude);
  const magic = f32x4.splat(ROUND_MAGIC);
  let rest = f32x4.splat(0);
  for (let index: usize = 0; index < <usize>count; index += 8) {
    const x = f32x4.mul(v128.load(from + (index << 2)), inverse);
    const y = f32x4.mul(v128.load(from + (index << 2), 16), inverse);
    const low = f32x4.add(x, magic);
    const high = f32x4.add(y, magic);
    rest = f32x4.add(rest, f32x4.sub(x, f32x4.sub(low, magic)));
    rest = f32x4.add(rest, f32x4.sub(y, f32x4.sub(high, magic)));
    v128.store(to + (index << 1), i16x8.narrow_i32x4_s(i32x4.sub(low, magic), i32x4.sub(high, magic)));
  }
  lost = sumLanes(rest);
  return magnitude / <f32>largest;
}

// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

function largestMagnitude(from: usize, count: i32): f32 {
  let largest = f32x4.splat(0);
  for (let index: usize = 0; index < <usize>count; index += 4)
    largest = f32x4.pmax(largest, f32x4.abs(v128.load(from + (index << 2))));
  return max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
}
