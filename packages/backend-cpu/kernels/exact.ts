import { expandEven, expandOdd } from "./float16";
import { field, HEAD_SIZE, HEADS, KEY, TILE, VALUE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { active, keyRows, partial, scores, state, valueRows } from "./row-state";

/**
 * Float16 become f32 that are 2^112 times too small without a multiplication. Queries and weights make up for it; half of
 * it for queries and half for the scores, so that nothing overflows.
 */
const KEY_SCALE: f32 = reinterpret<f32>(0x5b800000);
const VALUE_SCALE: f32 = reinterpret<f32>(0x77800000);

/** Puts `count` numbers of the query, a multiple of 8, into the order in which keys are expanded, times their scale. */
export function prepareExactQuery(at: usize, count: i32): void {
  const factor = f32x4.splat(KEY_SCALE);
  for (const end = at + (<usize>count << 2); at < end; at += 32) {
    const low = f32x4.mul(v128.load(at), factor);
    const high = f32x4.mul(v128.load(at, 16), factor);
    v128.store(at, v128.shuffle<f32>(low, high, 0, 2, 4, 6));
    v128.store(at, v128.shuffle<f32>(low, high, 1, 3, 5, 7), 16);
  }
}

/** Puts `count` weighted sums, a multiple of 8, from the order in which values are expanded into that of the channels. */
export function restoreOrder(at: usize, count: i32): void {
  for (const end = at + (<usize>count << 2); at < end; at += 32) {
    const evens = v128.load(at);
    const odds = v128.load(at, 16);
    v128.store(at, v128.shuffle<f32>(evens, odds, 0, 4, 1, 5));
    v128.store(at, v128.shuffle<f32>(evens, odds, 2, 6, 3, 7), 16);
  }
}

/** Scores of a row and the 16-bit keys `from .. to - 1` of a tile, into `scores`. */
export function scoreExact(layer: usize, row: usize, from: i32, to: i32): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer + KEY, HEAD_SIZE);
  for (let token = from; token < to; token += 4) {
    for (let head = 0; head < heads; ) {
      const pass = min(4, heads - head);
      const query = row + state.query + (<usize>(head * headSize) << 2);
      scorePass(pass, keyAt(token, to), keyAt(token + 1, to), query, headSize, partial);
      scorePass(pass, keyAt(token + 2, to), keyAt(token + 3, to), query, headSize, partial + 16);
      for (let index = 0; index < pass; index++)
        storeScores(partial + (<usize>index << 5), scores + (<usize>((head + index) * TILE + token) << 2), to - token);
      head += pass;
    }
  }
}

/** Pointer of a key; past the end, of the last key. */
// @ts-ignore: decorator
@inline
function keyAt(token: i32, to: i32): usize {
  return load<usize>(keyRows + (<usize>min(token, to - 1) << 2));
}

function scorePass(heads: i32, first: usize, second: usize, query: usize, headSize: i32, out: usize): void {
  if (heads === 3) scorePair(3, first, second, query, headSize, out);
  else if (heads === 4) scorePair(4, first, second, query, headSize, out);
  else if (heads === 1) scorePair(1, first, second, query, headSize, out);
  else scorePair(2, first, second, query, headSize, out);
}

/** Two keys with up to four queries: a key is expanded once for all of them, a query loaded once for both. */
// @ts-ignore: decorator
@inline
function scorePair(HEADS: i32, first: usize, second: usize, query: usize, headSize: i32, out: usize): void {
  const stride = <usize>headSize << 2;
  const end = first + (<usize>headSize << 1);
  let q1 = query + stride;
  let q2 = q1 + stride;
  let q3 = q2 + stride;
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  while (first < end) {
    const words = v128.load(first);
    const others = v128.load(second);
    let x = expandEven(words);
    let y = expandEven(others);
    let q = v128.load(query);
    a0 = multiplyAdd(x, q, a0);
    a1 = multiplyAdd(y, q, a1);
    if (HEADS > 1) {
      q = v128.load(q1);
      b0 = multiplyAdd(x, q, b0);
      b1 = multiplyAdd(y, q, b1);
    }
    if (HEADS > 2) {
      q = v128.load(q2);
      c0 = multiplyAdd(x, q, c0);
      c1 = multiplyAdd(y, q, c1);
    }
    if (HEADS > 3) {
      q = v128.load(q3);
      d0 = multiplyAdd(x, q, d0);
      d1 = multiplyAdd(y, q, d1);
    }
    x = expandOdd(words);
    y = expandOdd(others);
    q = v128.load(query, 16);
    a0 = multiplyAdd(x, q, a0);
    a1 = multiplyAdd(y, q, a1);
    if (HEADS > 1) {
      q = v128.load(q1, 16);
      b0 = multiplyAdd(x, q, b0);
      b1 = multiplyAdd(y, q, b1);
      q1 += 32;
    }
    if (HEADS > 2) {
      q = v128.load(q2, 16);
      c0 = multiplyAdd(x, q, c0);
      c1 = multiplyAdd(y, q, c1);
      q2 += 32;
    }
    if (HEADS > 3) {
      q = v128.load(q3, 16);
      d0 = multiplyAdd(x, q, d0);
      d1 = multiplyAdd(y, q, d1);
      q3 += 32;
    }
    first += 16;
    second += 16;
    query += 32;
  }
  v128.store(out, addHalves(a0, a1));
  if (HEADS > 1) v128.store(out, addHalves(b0, b1), 32);
  if (HEADS > 2) v128.store(out, addHalves(c0, c1), 64);
  if (HEADS > 3) v128.store(out, addHalves(d0, d1), 96);
}

/** Two lanes of `a`, then two of `b`, whose sums are those of all their lanes. */
// @ts-ignore: decorator
@inline
function addHalves(a: v128, b: v128): v128 {
  return f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
}

/** The scores of four tokens, of which `count` are there. */
// @ts-ignore: decorator
@inline
function storeScores(pairs: usize, to: usize, count: i32): void {
  const a = v128.load(pairs);
  const b = v128.load(pairs, 16);
  const sum = f32x4.add(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
  const score = f32x4.mul(sum, f32x4.splat(KEY_SCALE));
  if (count >= 4) return v128.store(to, score);
  store<f32>(to, f32x4.extract_lane(score, 0));
  if (count > 1) store<f32>(to, f32x4.extract_lane(score, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(score, 2), 8);
}

/**
 * Adds the 16-bit values `from .. to - 1` of a tile, weighted by what is in `scores`, to a row's exact sum, in the order in
 * which they are expanded.
 */
export function addExact(layer: usize, row: usize, from: i32, to: i32, heads: i32): void {
  const valueSize = field(layer + VALUE, HEAD_SIZE);
  for (let index = 0; index < heads; index++) enlarge(scores + ((headAt(index) * TILE) << 2), from, to);
  for (let index = 0; index < heads; index += 4) addPass(min(4, heads - index), row, from, to, valueSize, index);
}

function enlarge(weights: usize, from: i32, to: i32): void {
  const factor = f32x4.splat(VALUE_SCALE);
  let at = weights + (<usize>from << 2);
  const end = weights + (<usize>to << 2);
  for (; at + 16 <= end; at += 16) v128.store(at, f32x4.mul(v128.load(at), factor));
  for (; at < end; at += 4) store<f32>(at, load<f32>(at) * VALUE_SCALE);
}

// @ts-ignore: decorator
@inline
function headAt(index: i32): usize {
  return <usize>load<i32>(active + (<usize>index << 2));
}

function addPass(heads: i32, row: usize, from: i32, to: i32, valueSize: i32, index: i32): void {
  if (heads === 3) addValues(3, row, from, to, valueSize, index);
  else if (heads === 4) addValues(4, row, from, to, valueSize, index);
  else if (heads === 1) addValues(1, row, from, to, valueSize, index);
  else addValues(2, row, from, to, valueSize, index);
}

/** Eight channels at a time of all tokens, for up to four heads. */
// @ts-ignore: decorator
@inline
function addValues(HEADS: i32, row: usize, from: i32, to: i32, valueSize: i32, index: i32): void {
  const first = headAt(index);
  const second = HEADS > 1 ? headAt(index + 1) : 0;
  const third = HEADS > 2 ? headAt(index + 2) : 0;
  const fourth = HEADS > 3 ? headAt(index + 3) : 0;
  const rows = valueRows + (<usize>from << 2);
  const end = valueRows + (<usize>to << 2);
  const weights = scores - valueRows;
  const w0 = weights + first * (TILE * 4);
  const w1 = weights + second * (TILE * 4);
  const w2 = weights + third * (TILE * 4);
  const w3 = weights + fourth * (TILE * 4);
  const bytes = <usize>valueSize << 2;
  let to0 = row + state.exact + first * bytes;
  let to1 = row + state.exact + second * bytes;
  let to2 = row + state.exact + third * bytes;
  let to3 = row + state.exact + fourth * bytes;
  for (let offset: usize = 0; offset < <usize>valueSize << 1; offset += 16) {
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let b0 = f32x4.splat(0);
    let b1 = f32x4.splat(0);
    let c0 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    for (let at = rows; at < end; at += 4) {
      const words = v128.load(load<usize>(at) + offset);
      const x = expandEven(words);
      const y = expandOdd(words);
      let w = v128.load32_splat(at + w0);
      a0 = multiplyAdd(x, w, a0);
      a1 = multiplyAdd(y, w, a1);
      if (HEADS > 1) {
        w = v128.load32_splat(at + w1);
        b0 = multiplyAdd(x, w, b0);
        b1 = multiplyAdd(y, w, b1);
      }
      if (HEADS > 2) {
        w = v128.load32_splat(at + w2);
        c0 = multiplyAdd(x, w, c0);
        c1 = multiplyAdd(y, w, c1);
      }
      if (HEADS > 3) {
        w = v128.load32_splat(at + w3);
        d0 = multiplyAdd(x, w, d0);
        d1 = multiplyAdd(y, w, d1);
      }
    }
    increase(to0, a0, a1);
    to0 += 32;
    if (HEADS > 1) {
      increase(to1, b0, b1);
      to1 += 32;
    }
    if (HEADS > 2) {
      increase(to2, c0, c1);
      to2 += 32;
    }
    if (HEADS > 3) {
      increase(to3, d0, d1);
      to3 += 32;
    }
  }
}

// @ts-ignore: decorator
@inline
function increase(at: usize, low: v128, high: v128): void {
  v128.store(at, f32x4.add(v128.load(at), low));
  v128.store(at, f32x4.add(v128.load(at, 16), high), 16);
}
