import { addExact, scoreExact } from "./exact";
import { loadHalf, loadRow } from "./float16";
import { BLOCK, field, FIXED_SCALES, FLOAT8, HEAD_SIZE, HEADS, KEY, recordOf, SCALES, TILE, VALUE } from "./layout";
import { active, keyFloats, keyRows, keyScales, scores, valueFloats, valueRows, valueScales } from "./row-state";

const E4M3: i32 = 1;

/** The upper bytes of the float16 of 0 to 7 times 2^-9: e4m3 without an exponent. */
const SUBNORMALS = memory.data<u8>([0, 0x18, 0x1c, 0x1e, 0x20, 0x21, 0x22, 0x23, 0, 0, 0, 0, 0, 0, 0, 0], 16);

/** Whether codes are floats of 8 bits. Float16 hold all of them, so that their sums are those of `exact.ts`, times the scales. */
// @ts-ignore: decorator
@inline
export function isFloat8(tensor: usize): bool {
  return field(tensor, FLOAT8) !== 0;
}

/** Expands the first `count` keys of a tile to float16, with a scale for each. */
export function expandKeys(layer: usize, head: i32, tile: i32, count: i32): void {
  expand(layer + KEY, head, tile, count, keyFloats, keyScales);
}

export function expandValues(layer: usize, head: i32, tile: i32, count: i32): void {
  expand(layer + VALUE, head, tile, count, valueFloats, valueScales);
}

/** Scores of a row and the first `count` tokens of a tile. */
export function scoreFloats(layer: usize, row: usize, count: i32): void {
  pointTo(keyRows, keyFloats, field(layer + KEY, HEAD_SIZE), count);
  scoreExact(layer, row, 0, count);
  for (let head = 0; head < field(layer, HEADS); head++) multiply(head, keyScales, count);
}

/** Adds the first `count` values of a tile, weighted by what is in `scores`, for the first `heads` of the active heads. */
export function addFloats(layer: usize, row: usize, count: i32, heads: i32): void {
  pointTo(valueRows, valueFloats, field(layer + VALUE, HEAD_SIZE), count);
  for (let index: usize = 0; index < <usize>heads; index++) multiply(load<i32>(active + (index << 2)), valueScales, count);
  addExact(layer, row, 0, count, heads);
}

/** Later rows read these tokens coded too. */
function pointTo(list: usize, rows: usize, headSize: i32, count: i32): void {
  for (let token = 0; token < count; token++)
    store<usize>(list + (<usize>token << 2), rows + (<usize>(token * headSize) << 1));
}

function multiply(head: i32, factors: usize, count: i32): void {
  let at = scores + (<usize>(head * TILE) << 2);
  const end = at + (<usize>count << 2);
  for (; at + 16 <= end; at += 16) {
    v128.store(at, f32x4.mul(v128.load(at), v128.load(factors)));
    factors += 16;
  }
  for (; at < end; at += 4) {
    store<f32>(at, load<f32>(at) * load<f32>(factors));
    factors += 4;
  }
}

function expand(tensor: usize, head: i32, tile: i32, count: i32, rows: usize, scalesAt: usize): void {
  const record = recordOf(tensor, head, tile);
  const end = record + <usize>(count * field(tensor, HEAD_SIZE));
  if (field(tensor, FLOAT8) === E4M3)
    for (let at = record; at < end; at += 16) {
      expandE4m3(v128.load(at), rows);
      rows += 32;
    }
  else
    for (let at = record; at < end; at += 16) {
      storeBytes(i8x16.splat(0), v128.load(at), rows);
      rows += 32;
    }
  loadScales(tensor, record, head, tile * TILE, count, scalesAt);
}

/** Sixteen e4m3. With an exponent, its bias is 8 less than float16's; numbers without one are rare. */
// @ts-ignore: decorator
@inline
function expandE4m3(codes: v128, to: usize): void {
  const isSubnormal = i8x16.eq(v128.and(codes, i8x16.splat(0x78)), i8x16.splat(0));
  if (v128.any_true(isSubnormal)) return expandSubnormals(codes, isSubnormal, to);
  storeBytes(i8x16.splat(0), codes, to);
  v128.store(to, moveExponents(v128.load(to)));
  v128.store(to, moveExponents(v128.load(to, 16)), 16);
}

/** Eight e4m3 in upper bytes. */
// @ts-ignore: decorator
@inline
function moveExponents(codes: v128): v128 {
  return i16x8.add(v128.and(i16x8.shr_s(codes, 1), i16x8.splat(<i16>0xbf80)), i16x8.splat(0x2000));
}

function expandSubnormals(codes: v128, isSubnormal: v128, to: usize): void {
  const normal = i8x16.add(v128.and(i8x16.shr_u(codes, 1), i8x16.splat(0x3f)), i8x16.splat(0x20));
  const subnormal = i8x16.swizzle(v128.load(SUBNORMALS), v128.and(codes, i8x16.splat(7)));
  const sign = v128.and(codes, i8x16.splat(-128));
  const upper = v128.or(sign, v128.bitselect(subnormal, normal, isSubnormal));
  storeBytes(v128.andnot(i8x16.shl(codes, 7), isSubnormal), upper, to);
}

/** Sixteen float16 from their bytes. */
// @ts-ignore: decorator
@inline
function storeBytes(lower: v128, upper: v128, to: usize): void {
  v128.store(to, v128.shuffle<u8>(lower, upper, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  v128.store(to, v128.shuffle<u8>(lower, upper, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16);
}

function loadScales(tensor: usize, record: usize, head: i32, first: i32, count: i32, to: usize): void {
  const fixed = <usize>field(tensor, FIXED_SCALES);
  const block = fixed ? TILE : field(tensor, BLOCK);
  let stored = record + field(tensor, SCALES);
  if (block === 1) return loadRow(stored, to, (count + 3) & ~3);
  let left = block - (first % block);
  for (let token = 0; token < count; stored += 2) {
    const scale = fixed ? load<f32>(fixed + (<usize>head << 2)) : loadHalf(stored);
    for (const end = min(count, token + left); token < end; token++) store<f32>(to + (<usize>token << 2), scale);
    left = block;
  }
}
