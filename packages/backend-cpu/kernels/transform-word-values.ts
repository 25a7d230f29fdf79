import { field, HEAD_SIZE, TILE, VALUE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { largestLane, roundFactors, sumLanes } from "./round-factors";
import { active, factors, scores, state, units, valueGains, valueWords, weights, wordSums } from "./row-state";
import { loadGains } from "./transform-gains";
import { CHANNELS, channelOf, CODES, part, UNITS, WIDTH, WORDS } from "./transform-table";
import { decodeWords } from "./transform-words";

/** What the factors of a tile's tokens may add up to, so that sums with words of up to 16383 fit 32 bits. */
const LARGEST_SUM: f32 = 130000;
const LARGEST_FACTOR: f32 = 32767;
const ROW_BYTES: usize = 2 * <usize>TILE;

/** Decodes the channels of a tile into `valueWords`, int16 `[channels][TILE]`, and the gains of the first `count` values into `valueGains`. */
export function decodeValueWords(coder: usize, record: usize, count: i32): void {
  loadGains(coder, record, count, valueGains);
  for (let index = 0; index < part(coder, CHANNELS); index++) {
    const channel = channelOf(coder, index);
    const to = valueWords + <usize>index * ROW_BYTES;
    decodeWords(record + <usize>part(channel, CODES), part(channel, WIDTH), <usize>part(channel, WORDS), to);
  }
}

/** Adds the channels of the first `count` values of a tile, which `valueWords` has, weighted by what is in `scores`, to a row's decoded sum. */
export function addWords(layer: usize, coder: usize, row: usize, count: i32, heads: i32): void {
  const bytes = <usize>field(layer + VALUE, HEAD_SIZE) << 2;
  const channels = part(coder, CHANNELS);
  for (let first = 0; first < heads; first += 4) {
    const pass = min(4, heads - first);
    for (let index = 0; index < pass; index++) {
      const unit = roundWeights(scores + headAt(first + index) * (4 * TILE), factors + <usize>index * ROW_BYTES, count);
      store<f32>(units + (<usize>index << 2), unit);
    }
    sumRows(pass, channels, (count + 7) & ~7);
    for (let index = 0; index < pass; index++) {
      const unit = load<f32>(units + (<usize>index << 2));
      finishRows(coder, index, channels, unit, row + state.decoded + headAt(first + index) * bytes);
    }
  }
}

// @ts-ignore: decorator
@inline
function headAt(index: i32): usize {
  return <usize>load<i32>(active + (<usize>index << 2));
}

/** Rounds weights times gains to factors, with zeros up to a multiple of 8; returns what 1 stands for. */
function roundWeights(from: usize, to: usize, count: i32): f32 {
  const steps = (count + 7) & ~7;
  const end = <usize>steps << 2;
  for (let at: usize = 0; at < end; at += 16)
    v128.store(weights + at, f32x4.mul(v128.load(from + at), v128.load(valueGains + at)));
  memory.fill(weights + (<usize>count << 2), 0, <usize>(steps - count) << 2);
  let sums = f32x4.splat(0);
  let largest = sums;
  for (let at: usize = 0; at < end; at += 16) {
    const weight = v128.load(weights + at);
    sums = f32x4.add(sums, weight);
    largest = f32x4.pmax(largest, weight);
  }
  const unit = max(largestLane(largest) / LARGEST_FACTOR, sumLanes(sums) / LARGEST_SUM);
  return roundFactors(weights, to, steps, <i32>LARGEST_FACTOR, LARGEST_FACTOR * unit);
}

function sumRows(heads: i32, channels: i32, steps: i32): void {
  if (heads === 3) sumHeads(3, channels, steps);
  else if (heads === 4) sumHeads(4, channels, steps);
  else if (heads === 1) sumHeads(1, channels, steps);
  else sumHeads(2, channels, steps);
}

/** Products of the factors and the words of four channels, two at a time, into `wordSums`: of each two channels i32 `[4 heads][2][2]`, lanes to add. */
// @ts-ignore: decorator
@inline
function sumHeads(HEADS: i32, channels: i32, steps: i32): void {
  let to = wordSums;
  for (let channel = 0; channel < ((channels + 3) & ~3); channel += 2) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    let factor = factors;
    let at = valueWords + <usize>channel * ROW_BYTES;
    for (const end = at + (<usize>steps << 1); at < end; at += 16) {
      const x = v128.load(at);
      const y = v128.load(at, 256);
      let w = v128.load(factor);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x, w));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(y, w));
      if (HEADS > 1) {
        w = v128.load(factor, 256);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(x, w));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(y, w));
      }
      if (HEADS > 2) {
        w = v128.load(factor, 512);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, w));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(y, w));
      }
      if (HEADS > 3) {
        w = v128.load(factor, 768);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(x, w));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(y, w));
      }
      factor += 16;
    }
    v128.store(to, addHalves(a0, a1));
    if (HEADS > 1) v128.store(to, addHalves(b0, b1), 16);
    if (HEADS > 2) v128.store(to, addHalves(c0, c1), 32);
    if (HEADS > 3) v128.store(to, addHalves(d0, d1), 48);
    to += 64;
  }
}

/** Two lanes of `a`, then two of `b`, whose sums are those of all their lanes. */
// @ts-ignore: decorator
@inline
function addHalves(a: v128, b: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
}

/** Adds a head's sums, four channels at a time. */
function finishRows(coder: usize, index: i32, channels: i32, unit: f32, to: usize): void {
  const factor = f32x4.splat(unit);
  let from = wordSums + (<usize>index << 4);
  let channelUnits = <usize>part(coder, UNITS);
  for (let channel = 0; channel < channels; channel += 4) {
    const a = v128.load(from);
    const b = v128.load(from, 64);
    const sums = i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
    const numbers = f32x4.mul(f32x4.convert_i32x4_s(sums), v128.load(channelUnits));
    v128.store(to, multiplyAdd(numbers, factor, v128.load(to)));
    from += 128;
    channelUnits += 16;
    to += 16;
  }
}
