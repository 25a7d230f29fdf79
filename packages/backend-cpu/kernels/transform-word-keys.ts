import { field, HEAD_SIZE, HEADS, KEY, TILE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { factorSum, largestLane, roundFactors, sumLanes } from "./round-factors";
import { keyGains, keyWords, pairRows, queryWords, scores, state, turned, units, weights, wordSums } from "./row-state";
import { loadGains } from "./transform-gains";
import { addMeans, turnBack } from "./transform-rope";
import {
  MEAN,
  OTHER,
  PAIR_CODES,
  PAIR_QUERY,
  PAIR_TURNS,
  PAIR_UNIT,
  PAIR_WIDTH,
  PAIR_WORDS,
  pairOf,
  PAIRS,
  part,
  ROPE,
} from "./transform-table";
import { decodeWords } from "./transform-words";

/** Largest int16 of a decoded channel. */
const LARGEST_WORD: f32 = 16383;
/** What factors of a query may add up to in magnitude, so that sums fit 32 bits. */
const LARGEST_SUM: f32 = 130000;
/**
 * What a query's products with a key may add up to at most, in powers of 2. Rounding to int16 is off by about 7e-6 of that: from the
 * first limit on a second pass adds what the factors leave out, from the second one on words are too coarse.
 */
const FINE_FROM: f32 = 96;
const COARSE_FROM: f32 = 512;

const ROW_BYTES: usize = 2 * <usize>TILE;
/** Largest factor of a query. */
const LARGEST_FACTOR: f32 = 32767;

/**
 * Decodes the first `count` keys of a tile into `keyWords`: int16 `[TILE / 8][pairs][8][2]`, turned by their places in the tile. Their gains
 * are in `keyGains`.
 */
export function decodeKeyWords(coder: usize, record: usize, count: i32): void {
  const pairs = part(coder, PAIRS);
  loadGains(coder, record, count, keyGains);
  for (let index = 0; index < pairs; index++) {
    const pair = pairOf(coder, index);
    decodeRow(pair, record, pairRows);
    decodeRow(pair + OTHER, record, pairRows + ROW_BYTES);
    const to = keyWords + (<usize>index << 5);
    const turns = <usize>part(pair, PAIR_TURNS);
    if (turns) turnPair(turns, to, <usize>pairs << 5);
    else joinPair(to, <usize>pairs << 5);
  }
}

function decodeRow(half: usize, record: usize, to: usize): void {
  const width = part(half, PAIR_WIDTH);
  if (width === 0) return memory.fill(to, 0, ROW_BYTES);
  decodeWords(record + <usize>part(half, PAIR_CODES), width, <usize>part(half, PAIR_WORDS), to);
}

function joinPair(to: usize, stride: usize): void {
  for (let from = pairRows; from < pairRows + ROW_BYTES; from += 16) {
    const a = v128.load(from);
    const b = v128.load(from + ROW_BYTES);
    v128.store(to, lower(a, b));
    v128.store(to, upper(a, b), 16);
    to += stride;
  }
}

/** Keeps the upper 16 bits of products with turns of 15 bits, rounded down. */
function turnPair(turns: usize, to: usize, stride: usize): void {
  for (let from = pairRows; from < pairRows + ROW_BYTES; from += 16) {
    const a = v128.load(from);
    const b = v128.load(from + ROW_BYTES);
    v128.store(to, turnFour(lower(a, b), turns));
    v128.store(to, turnFour(upper(a, b), turns + 32), 16);
    turns += 64;
    to += stride;
  }
}

// @ts-ignore: decorator
@inline
function turnFour(words: v128, turns: usize): v128 {
  const first = i32x4.shr_u(i32x4.dot_i16x8_s(words, v128.load(turns)), 16);
  const second = i32x4.dot_i16x8_s(words, v128.load(turns, 16));
  return v128.shuffle<i16>(first, second, 0, 9, 2, 11, 4, 13, 6, 15);
}

// @ts-ignore: decorator
@inline
function lower(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function upper(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/**
 * Scores of a row and the first `count` tokens of a tile, which `keyWords` has; up to 7 more are overwritten with anything. Returns false
 * where words are too coarse for a query.
 */
export function scoreWords(layer: usize, coder: usize, tile: i32, row: usize, count: i32): bool {
  const heads = field(layer, HEADS);
  const headSize = field(layer + KEY, HEAD_SIZE);
  const rope = <usize>part(coder, ROPE);
  if (rope) turnBack(rope, tile, row + state.rotated, turned, heads, headSize);
  const queries = rope ? turned : row + state.rotated;
  let largest: f32 = 0;
  for (let head = 0; head < heads; head++) largest = max(largest, roundQuery(coder, queries, head, headSize));
  if (largest > COARSE_FROM) return false;
  addSums(layer, coder, row, count, false);
  if (largest > FINE_FROM) {
    for (let head = 0; head < heads; head++) roundRest(coder, queries, head, headSize);
    addSums(layer, coder, row, count, true);
  }
  const mean = <usize>part(coder, MEAN);
  if (rope && mean) addMeans(rope, mean, queries, heads, headSize, count);
  return true;
}

/** Rounds a query to factors; returns what its products with a key may add up to. */
function roundQuery(coder: usize, queries: usize, head: i32, headSize: i32): f32 {
  const count = spreadQuery(coder, queries + (<usize>(head * headSize) << 2));
  return LARGEST_WORD * round(head, headSize, count);
}

/** The same with what the factors of {@link roundQuery} leave out. */
function roundRest(coder: usize, queries: usize, head: i32, headSize: i32): void {
  const count = spreadQuery(coder, queries + (<usize>(head * headSize) << 2));
  const from = queryWords + (<usize>(head * headSize) << 1);
  const unit = load<f32>(units + (<usize>head << 2));
  for (let index: usize = 0; index < <usize>count; index++) {
    const at = weights + (index << 2);
    store<f32>(at, load<f32>(at) - unit * <f32>load<i16>(from + (index << 1)));
  }
  round(head, headSize, count);
}

/** Numbers of a query by pair, times what a word of the key stands for, into `weights`; returns how many, a multiple of 8. */
function spreadQuery(coder: usize, query: usize): i32 {
  const pairs = part(coder, PAIRS);
  let to = weights;
  for (let index = 0; index < pairs; index++) {
    const pair = pairOf(coder, index);
    store<f32>(to, load<f32>(query + (<usize>part(pair, PAIR_QUERY) << 2)) * load<f32>(pair + PAIR_UNIT));
    const other = pair + OTHER;
    store<f32>(to, load<f32>(query + (<usize>part(other, PAIR_QUERY) << 2)) * load<f32>(other + PAIR_UNIT), 4);
    to += 8;
  }
  const count = (2 * pairs + 7) & ~7;
  memory.fill(to, 0, <usize>(count - 2 * pairs) << 2);
  return count;
}

/** Rounds the numbers in `weights` to factors of a head; returns their magnitudes' sum. */
function round(head: i32, headSize: i32, count: i32): f32 {
  let sums = f32x4.splat(0);
  let largest = sums;
  for (let at: usize = 0; at < <usize>count << 2; at += 16) {
    const magnitude = f32x4.abs(v128.load(weights + at));
    sums = f32x4.add(sums, magnitude);
    largest = f32x4.pmax(largest, magnitude);
  }
  const sum = sumLanes(sums);
  const unit = max(largestLane(largest) / LARGEST_FACTOR, sum / LARGEST_SUM);
  const to = queryWords + (<usize>(head * headSize) << 1);
  store<f32>(units + (<usize>head << 2), roundFactors(weights, to, count, <i32>LARGEST_FACTOR, LARGEST_FACTOR * unit));
  return sum;
}

/** Scores that the factors of all heads give; if it `adds`, adds them. */
function addSums(layer: usize, coder: usize, row: usize, count: i32, adds: bool): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer + KEY, HEAD_SIZE);
  const pairs = part(coder, PAIRS);
  const isTurned = part(coder, ROPE) !== 0;
  for (let head = 0; head < heads; head += 4) {
    const pass = min(4, heads - head);
    const stride = <usize>headSize << 1;
    sumPairs(pass, pairs, queryWords + <usize>head * stride, stride, count);
    for (let index = head; index < head + pass; index++) {
      // Turned words are rounded down, by a half on average.
      const half: f32 = isTurned ? 0.5 * <f32>factorSum(queryWords + <usize>index * stride, (2 * pairs + 7) & ~7) : 0;
      const start: f32 = isTurned || adds ? 0 : load<f32>(row + state.ofMean + (<usize>index << 2));
      finishSums(index, index - head, half, start, count, adds);
    }
  }
}

function finishSums(head: i32, index: i32, half: f32, start: f32, count: i32, adds: bool): void {
  const halves = f32x4.splat(half);
  const starts = f32x4.splat(start);
  const unit = v128.load32_splat(units + (<usize>head << 2));
  const from = wordSums + <usize>index * 4 * TILE;
  const to = scores + <usize>head * 4 * TILE;
  for (let at: usize = 0; at < <usize>count << 2; at += 16) {
    const sum = f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(v128.load(from + at)), halves), unit);
    const before = adds ? v128.load(to + at) : starts;
    v128.store(to + at, multiplyAdd(sum, v128.load(keyGains + at), before));
  }
}

function sumPairs(heads: i32, pairs: i32, words: usize, stride: usize, count: i32): void {
  if (heads === 3) sumHeads(3, pairs, words, stride, count);
  else if (heads === 4) sumHeads(4, pairs, words, stride, count);
  else if (heads === 1) sumHeads(1, pairs, words, stride, count);
  else sumHeads(2, pairs, words, stride, count);
}

/** Products of the factors and the words, i32 `[4][TILE]`, into `wordSums`: eight tokens at a time. */
// @ts-ignore: decorator
@inline
function sumHeads(HEADS: i32, pairs: i32, words: usize, stride: usize, count: i32): void {
  let at = keyWords;
  let to = wordSums;
  for (let token = 0; token < count; token += 8) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    let q0 = words;
    let q1 = q0 + stride;
    let q2 = q1 + stride;
    let q3 = q2 + stride;
    for (const end = at + (<usize>pairs << 5); at < end; at += 32) {
      const x = v128.load(at);
      const y = v128.load(at, 16);
      let q = v128.load32_splat(q0);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x, q));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(y, q));
      q0 += 4;
      if (HEADS > 1) {
        q = v128.load32_splat(q1);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(x, q));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(y, q));
        q1 += 4;
      }
      if (HEADS > 2) {
        q = v128.load32_splat(q2);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, q));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(y, q));
        q2 += 4;
      }
      if (HEADS > 3) {
        q = v128.load32_splat(q3);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(x, q));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(y, q));
        q3 += 4;
      }
    }
    storeSums(to, a0, a1);
    if (HEADS > 1) storeSums(to + 4 * TILE, b0, b1);
    if (HEADS > 2) storeSums(to + 8 * TILE, c0, c1);
    if (HEADS > 3) storeSums(to + 12 * TILE, d0, d1);
    to += 32;
  }
}

// @ts-ignore: decorator
@inline
function storeSums(to: usize, low: v128, high: v128): void {
  v128.store(to, low);
  v128.store(to, high, 16);
}
