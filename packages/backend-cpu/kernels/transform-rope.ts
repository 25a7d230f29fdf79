/**
 * The position embedding (RoPE) before which keys are coded. Keys are turned by their place in the tile only, and queries back by the
 * position of the tile. A rope's fields are i32.
 */
import { TILE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { sumLanes } from "./round-factors";
import { meanFactors, scores } from "./row-state";

/** Pairs of channels that turn together. */
export const ROPE_PAIRS: usize = 0;
/** From the first channel of a pair to that of the next one, and to the other channel of the pair. */
const STEP: usize = 4;
const DISTANCE: usize = 8;
/** Address of f32 `[pairs][2][TILE]`: cosines and sines of the places in a tile. */
const PLACES: usize = 12;
/**
 * Address of f32 `[3][64][pairs][2]`: cosines and sines of the positions of tiles, by three digits to the base 64 of a tile's number, the
 * lowest first. The first token that may be coded is in those of the lowest digit.
 */
const TILES: usize = 16;

/**
 * The turned mean is a sum of sinusoids over the places of a tile. Fast ones are summed as they are, the sum of slow ones is interpolated
 * from a few nodes. Counts of fast and of slow pairs, address of i32 `[pairs][2]`: the numbers of the fast pairs, then of the slow ones.
 */
const FAST: usize = 20;
const SLOW: usize = 24;
const MEMBERS: usize = 28;
/** Count of nodes; address of f32 `[nodes][2 * slow, up to a multiple of 4]`: cosines and sines of the slow pairs there. */
const NODES: usize = 32;
const AT_NODES: usize = 36;
/** Address of f32 `[2 * fast + nodes][TILE]`: cosines and sines of the fast pairs, then what each node counts, by place. */
const BASIS: usize = 40;

/** Digits of a tile's number. */
const DIGITS: i32 = 3;
const DIGIT_BITS: i32 = 6;

// @ts-ignore: decorator
@inline
export function firstOf(rope: usize, pair: i32): i32 {
  return pair * load<i32>(rope + STEP);
}

// @ts-ignore: decorator
@inline
export function secondOf(rope: usize, pair: i32): i32 {
  return pair * load<i32>(rope + STEP) + load<i32>(rope + DISTANCE);
}

/** Cosines of a pair in a tile, f32 `[TILE]`; its sines follow. */
// @ts-ignore: decorator
@inline
export function turnsOf(rope: usize, pair: i32): usize {
  return load<usize>(rope + PLACES) + <usize>(pair * TILE * 8);
}

/** Turns `heads` queries, f32 `[heads][headSize]`, back by the position of a tile, into `to`. */
export function turnBack(rope: usize, tile: i32, from: usize, to: usize, heads: i32, headSize: i32): void {
  memory.copy(to, from, <usize>(heads * headSize) << 2);
  for (let pair = 0; pair < load<i32>(rope + ROPE_PAIRS); pair++) {
    setTurn(rope, tile, pair);
    const one = to + (<usize>firstOf(rope, pair) << 2);
    const other = to + (<usize>secondOf(rope, pair) << 2);
    for (let head = 0; head < heads; head++) {
      const at = <usize>(head * headSize) << 2;
      const a = load<f32>(one + at);
      const b = load<f32>(other + at);
      store<f32>(one + at, a * cosine + b * sine);
      store<f32>(other + at, b * cosine - a * sine);
    }
  }
}

let cosine: f32 = 1;
let sine: f32 = 0;

/** Cosine and sine of a pair at the position of a tile. */
function setTurn(rope: usize, tile: i32, pair: i32): void {
  const pairs = load<i32>(rope + ROPE_PAIRS);
  cosine = 1;
  sine = 0;
  for (let digit = 0, rest = tile; digit === 0 || rest > 0; digit++, rest >>= DIGIT_BITS) {
    const row = (digit << DIGIT_BITS) + (rest & ((1 << DIGIT_BITS) - 1));
    const at = load<usize>(rope + TILES) + (<usize>(row * pairs + pair) << 3);
    const c = load<f32>(at);
    const s = load<f32>(at, 4);
    const before = cosine;
    cosine = before * c - sine * s;
    sine = before * s + sine * c;
  }
}

/** Adds products of queries, f32 `[heads][headSize]`, turned back by the position of a tile, and the turned mean, to the first `count` scores. */
export function addMeans(rope: usize, mean: usize, queries: usize, heads: i32, headSize: i32, count: i32): void {
  const basis = load<usize>(rope + BASIS);
  for (let head = 0; head < heads; head += 4) {
    const pass = min(4, heads - head);
    let factors = 0;
    for (let index = 0; index < pass; index++)
      factors = projectMean(rope, mean, queries + (<usize>((head + index) * headSize) << 2), headSize, index);
    const to = scores + (<usize>(head * TILE) << 2);
    const stride = rowBytes(headSize);
    if (pass === 3) addBasis(3, basis, factors, stride, to, count);
    else if (pass === 4) addBasis(4, basis, factors, stride, to, count);
    else if (pass === 1) addBasis(1, basis, factors, stride, to, count);
    else addBasis(2, basis, factors, stride, to, count);
  }
}

/** Bytes of the coefficients of a head. */
// @ts-ignore: decorator
@inline
function rowBytes(headSize: i32): usize {
  return <usize>(headSize + 4) << 2;
}

/** The coefficients of the basis, into row `index` of `meanFactors`; returns how many. */
function projectMean(rope: usize, mean: usize, query: usize, headSize: i32, index: i32): i32 {
  const fast = load<i32>(rope + FAST);
  const slow = load<i32>(rope + SLOW);
  const to = meanFactors + <usize>index * rowBytes(headSize);
  const slowAt = meanFactors + 4 * rowBytes(headSize);
  for (let pair = 0; pair < fast; pair++) project(rope, pair, mean, query, to + (<usize>pair << 3));
  for (let pair = 0; pair < slow; pair++) project(rope, fast + pair, mean, query, slowAt + (<usize>pair << 3));
  if (slow & 1) store<f64>(slowAt + (<usize>slow << 3), 0);
  const width = <usize>((2 * slow + 3) & ~3) << 2;
  let from = load<usize>(rope + AT_NODES);
  const nodes = load<i32>(rope + NODES);
  for (let node = 0; node < nodes; node++) {
    let sum = f32x4.splat(0);
    for (let at: usize = 0; at < width; at += 16)
      sum = multiplyAdd(v128.load(from + at), v128.load(slowAt + at), sum);
    store<f32>(to + (<usize>(2 * fast + node) << 2), sumLanes(sum));
    from += width;
  }
  return 2 * fast + nodes;
}

/** What the cosine and the sine of a pair count in the product of a query and the mean. */
function project(rope: usize, index: i32, mean: usize, query: usize, to: usize): void {
  const member = load<usize>(rope + MEMBERS) + (<usize>index << 3);
  const one = <usize>load<i32>(member) << 2;
  const other = <usize>load<i32>(member, 4) << 2;
  const a = load<f32>(mean + one);
  const b = load<f32>(mean + other);
  store<f32>(to, load<f32>(query + one) * a + load<f32>(query + other) * b);
  store<f32>(to, load<f32>(query + other) * a - load<f32>(query + one) * b, 4);
}

/** Adds the basis times the coefficients of up to four heads: eight tokens at a time. */
// @ts-ignore: decorator
@inline
function addBasis(HEADS: i32, basis: usize, factors: i32, stride: usize, to: usize, count: i32): void {
  for (const last = to + (<usize>count << 2); to < last; to += 32) {
    let a0 = v128.load(to);
    let a1 = v128.load(to, 16);
    let b0 = v128.load(to, 512);
    let b1 = v128.load(to, 528);
    let c0 = v128.load(to, 1024);
    let c1 = v128.load(to, 1040);
    let d0 = v128.load(to, 1536);
    let d1 = v128.load(to, 1552);
    let from = basis;
    let f0 = meanFactors;
    let f1 = f0 + stride;
    let f2 = f1 + stride;
    let f3 = f2 + stride;
    for (const end = f0 + (<usize>factors << 2); f0 < end; f0 += 4) {
      const x = v128.load(from);
      const y = v128.load(from, 16);
      let factor = v128.load32_splat(f0);
      a0 = multiplyAdd(x, factor, a0);
      a1 = multiplyAdd(y, factor, a1);
      if (HEADS > 1) {
        factor = v128.load32_splat(f1);
        b0 = multiplyAdd(x, factor, b0);
        b1 = multiplyAdd(y, factor, b1);
        f1 += 4;
      }
      if (HEADS > 2) {
        factor = v128.load32_splat(f2);
        c0 = multiplyAdd(x, factor, c0);
        c1 = multiplyAdd(y, factor, c1);
        f2 += 4;
      }
      if (HEADS > 3) {
        factor = v128.load32_splat(f3);
        d0 = multiplyAdd(x, factor, d0);
        d1 = multiplyAdd(y, factor, d1);
        f3 += 4;
      }
      from += <usize>TILE << 2;
    }
    storeEight(to, a0, a1);
    if (HEADS > 1) storeEight(to + 512, b0, b1);
    if (HEADS > 2) storeEight(to + 1024, c0, c1);
    if (HEADS > 3) storeEight(to + 1536, d0, d1);
    basis += 32;
  }
}

// @ts-ignore: decorator
@inline
function storeEight(to: usize, low: v128, high: v128): void {
  v128.store(to, low);
  v128.store(to, high, 16);
}
