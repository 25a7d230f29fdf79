import { expandRaw } from "./float16";
import { field, HEAD_SIZE, HEADS, TILE } from "./layout";
import { sumLanes } from "./round-factors";
import { active, keyRows, scores, state, valueRows } from "./row-state";

/**
 * Float16 become f32 that are 2^112 times too small without a multiplication. Queries and weights make up for it; half of
 * it for queries and half for the scores, so that nothing overflows.
 */
export const KEY_SCALE: f32 = reinterpret<f32>(0x5b800000);
const VALUE_SCALE: f32 = reinterpret<f32>(0x77800000);

/** Scores of a row and the 16-bit keys `from .. to - 1` of a tile, into `scores`. */
export function scoreExact(layer: usize, row: usize, from: i32, to: i32): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  for (let token = from; token < to; token++) {
    const key = load<usize>(keyRows + (<usize>token << 2));
    let query = row + state.query;
    let score = scores + (<usize>token << 2);
    let head = 0;
    for (; head + 3 <= heads; head += 3) {
      scoreThree(key, query, headSize, score);
      query += <usize>(3 * headSize) << 2;
      score += 3 * TILE * 4;
    }
    for (; head < heads; head++) {
      scoreOne(key, query, headSize, score);
      query += <usize>headSize << 2;
      score += TILE * 4;
    }
  }
}

function scoreThree(key: usize, query: usize, headSize: i32, score: usize): void {
  const stride = <usize>headSize << 2;
  const end = key + (<usize>headSize << 1);
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let second = query + stride;
  let third = second + stride;
  while (key < end) {
    const words = v128.load(key);
    const low = expandRaw(i32x4.extend_low_i16x8_s(words));
    const high = expandRaw(i32x4.extend_high_i16x8_s(words));
    a = f32x4.add(a, f32x4.mul(low, v128.load(query)));
    b = f32x4.add(b, f32x4.mul(low, v128.load(second)));
    c = f32x4.add(c, f32x4.mul(low, v128.load(third)));
    a = f32x4.add(a, f32x4.mul(high, v128.load(query, 16)));
    b = f32x4.add(b, f32x4.mul(high, v128.load(second, 16)));
    c = f32x4.add(c, f32x4.mul(high, v128.load(third, 16)));
    key += 16;
    query += 32;
    second += 32;
    third += 32;
  }
  store<f32>(score, sumLanes(a) * KEY_SCALE);
  store<f32>(score, sumLanes(b) * KEY_SCALE, TILE * 4);
  store<f32>(score, sumLanes(c) * KEY_SCALE, 2 * TILE * 4);
}

function scoreOne(key: usize, query: usize, headSize: i32, score: usize): void {
  const end = key + (<usize>headSize << 1);
  let a = f32x4.splat(0);
  while (key < end) {
    const words = v128.load(key);
    a = f32x4.add(a, f32x4.mul(expandRaw(i32x4.extend_low_i16x8_s(words)), v128.load(query)));
    a = f32x4.add(a, f32x4.mul(expandRaw(i32x4.extend_high_i16x8_s(words)), v128.load(query, 16)));
    key += 16;
    query += 32;
  }
  store<f32>(score, sumLanes(a) * KEY_SCALE);
}

/** Adds the 16-bit values `from .. to - 1` of a tile, weighted by what is in `scores`, to a row's exact sum. */
export function addExact(layer: usize, row: usize, from: i32, to: i32, heads: i32): void {
  const headSize = field(layer, HEAD_SIZE);
  let index = 0;
  for (; index < heads; index++) enlarge(scores + ((headAt(index) * TILE) << 2), from, to);
  index = 0;
  for (; index + 3 <= heads; index += 3) addThree(row, from, to, headSize, index);
  for (; index < heads; index++) addOne(row, from, to, headSize, index);
}

function enlarge(weights: usize, from: i32, to: i32): void {
  for (let token = from; token < to; token++) {
    const at = weights + (<usize>token << 2);
    store<f32>(at, load<f32>(at) * VALUE_SCALE);
  }
}

// @ts-ignore: decorator
@inline
function headAt(index: i32): usize {
  return <usize>load<i32>(active + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
function increase(at: usize, low: v128, high: v128): void {
  v128.store(at, f32x4.add(v128.load(at), low));
  v128.store(at, f32x4.add(v128.load(at, 16), high), 16);
}

function addThree(row: usize, from: i32, to: i32, headSize: i32, index: i32): void {
  const first = headAt(index);
  const second = headAt(index + 1);
  const third = headAt(index + 2);
  const sums = row + state.exact;
  for (let channel = 0; channel < headSize; channel += 8) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    const offset = <usize>channel << 1;
    for (let token = from; token < to; token++) {
      const words = v128.load(load<usize>(valueRows + (<usize>token << 2)) + offset);
      const low = expandRaw(i32x4.extend_low_i16x8_s(words));
      const high = expandRaw(i32x4.extend_high_i16x8_s(words));
      const weight = scores + (<usize>token << 2);
      let w = v128.load32_splat(weight + first * (TILE * 4));
      a0 = f32x4.add(a0, f32x4.mul(low, w));
      a1 = f32x4.add(a1, f32x4.mul(high, w));
      w = v128.load32_splat(weight + second * (TILE * 4));
      b0 = f32x4.add(b0, f32x4.mul(low, w));
      b1 = f32x4.add(b1, f32x4.mul(high, w));
      w = v128.load32_splat(weight + third * (TILE * 4));
      c0 = f32x4.add(c0, f32x4.mul(low, w));
      c1 = f32x4.add(c1, f32x4.mul(high, w));
    }
    increase(sums + ((first * headSize + channel) << 2), a0, a1);
    increase(sums + ((second * headSize + channel) << 2), b0, b1);
    increase(sums + ((third * headSize + channel) << 2), c0, c1);
  }
}

function addOne(row: usize, from: i32, to: i32, headSize: i32, index: i32): void {
  const head = headAt(index);
  const weight = scores + ((head * TILE) << 2);
  const sums = row + state.exact + ((head * headSize) << 2);
  for (let channel: usize = 0; channel < <usize>headSize; channel += 8) {
    let low = f32x4.splat(0);
    let high = f32x4.splat(0);
    for (let token = from; token < to; token++) {
      const value = load<usize>(valueRows + (<usize>token << 2)) + (channel << 1);
      const w = v128.load32_splat(weight + (<usize>token << 2));
      low = f32x4.add(low, f32x4.mul(expandRaw(v128.load16x4_s(value)), w));
      high = f32x4.add(high, f32x4.mul(expandRaw(v128.load16x4_s(value, 8)), w));
    }
    increase(sums + (channel << 2), low, high);
  }
}
