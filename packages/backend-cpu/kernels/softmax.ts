import { field, HEAD_SIZE, HEADS, TILE, VALUE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { largestLane, sumLanes } from "./round-factors";
import { active, maxima, scores, state } from "./row-state";

/** What the scores of tokens are set to that a query does not read. */
const NEVER: f32 = -1e30;

/** The polynomial of 2^x on -0.5 to 0.5, and bounds; loaded, because engines build v128 constants anew at each use. */
// prettier-ignore
const CONSTANTS = memory.data<f32>([
  0.0096181291, 0.0096181291, 0.0096181291, 0.0096181291,
  0.055504109, 0.055504109, 0.055504109, 0.055504109,
  0.24022651, 0.24022651, 0.24022651, 0.24022651,
  0.69314718, 0.69314718, 0.69314718, 0.69314718,
  1, 1, 1, 1,
  -126, -126, -126, -126,
  12582912, 12582912, 12582912, 12582912,
], 16);

/** 2^x for x at most 0, to 5e-5. */
// @ts-ignore: decorator
@inline
function exponential(x: v128): v128 {
  const magic = v128.load(CONSTANTS, 96);
  const bounded = f32x4.pmax(v128.load(CONSTANTS, 80), x);
  const shifted = f32x4.add(bounded, magic);
  const fraction = f32x4.sub(bounded, f32x4.sub(shifted, magic));
  let y = multiplyAdd(v128.load(CONSTANTS), fraction, v128.load(CONSTANTS, 16));
  y = multiplyAdd(y, fraction, v128.load(CONSTANTS, 32));
  y = multiplyAdd(y, fraction, v128.load(CONSTANTS, 48));
  y = multiplyAdd(y, fraction, v128.load(CONSTANTS, 64));
  return i32x4.add(y, i32x4.shl(shifted, 23));
}

/**
 * Turns the first `count` scores of each head into weights relative to the largest score so far, and adds them up. Lists
 * in `active` the heads that the tile adds something to, and returns how many they are: a tile is left out whose weights
 * are below `negligible` of all so far. `maximaKnown` says that `maxima` is of just these scores.
 */
export function weighTile(layer: usize, row: usize, count: i32, negligible: f32, maximaKnown: bool): i32 {
  const heads = field(layer, HEADS);
  const valueSize = field(layer + VALUE, HEAD_SIZE);
  let found = 0;
  for (let head = 0; head < heads; head++) {
    const at = scores + (<usize>(head * TILE) << 2);
    const steps = pad(at, count);
    const largest = maximaKnown ? largestLane(v128.load(maxima + (<usize>head << 4))) : largestOf(at, steps);
    const total = row + state.total + (<usize>head << 2);
    const least = load<f32>(row + state.largest + (<usize>head << 2)) + exponentOf((negligible / <f32>TILE) * load<f32>(total));
    if (largest < least) continue;
    const sum = weighHead(row, head, valueSize, at, steps, largest);
    store<f32>(total, load<f32>(total) + sum);
    if (sum <= negligible * load<f32>(total)) continue;
    store<i32>(active + (<usize>found << 2), head);
    found++;
  }
  return found;
}

/** Bends the first `count` scores of each head, which then stay below `cap` in magnitude. */
export function capScores(layer: usize, count: i32, cap: f32): void {
  for (let head = 0; head < field(layer, HEADS); head++) {
    const end = scoreOf(head, count);
    for (let at = scoreOf(head, 0); at < end; at += 4) store<f32>(at, cap * Mathf.tanh(load<f32>(at) / cap));
  }
}

/** Takes the first `hidden` tokens of a tile from all heads. */
export function hideScores(layer: usize, hidden: i32): void {
  for (let head = 0; head < field(layer, HEADS); head++) {
    const end = scoreOf(head, hidden);
    for (let at = scoreOf(head, 0); at < end; at += 4) store<f32>(at, NEVER);
  }
}

// @ts-ignore: decorator
@inline
function scoreOf(head: i32, token: i32): usize {
  return scores + (<usize>(head * TILE + token) << 2);
}

/** A whole number that is at most log2(x); below all others for x = 0. */
function exponentOf(x: f32): f32 {
  return <f32>((reinterpret<i32>(x) >> 23) - 127);
}

/** Fills up to a multiple of 8. */
function pad(at: usize, count: i32): i32 {
  const steps = (count + 7) & ~7;
  for (let token = count; token < steps; token++) store<f32>(at + (<usize>token << 2), NEVER);
  return steps;
}

/**
 * Rounds the largest score up to a whole number. Earlier sums are then rescaled exactly, and parts of a row with different largest
 * scores have weights that differ only by a power of 2.
 */
function weighHead(row: usize, head: i32, valueSize: i32, at: usize, steps: i32, tileLargest: f32): f32 {
  const largest = row + state.largest + (<usize>head << 2);
  const before = load<f32>(largest);
  const now = max(before, ceil(tileLargest));
  if (now > before) {
    store<f32>(largest, now);
    rescale(row, head, valueSize, before - now);
  }
  const offset = f32x4.splat(now);
  let sum = f32x4.splat(0);
  const end = at + (<usize>steps << 2);
  for (; at < end; at += 16) {
    const weight = exponential(f32x4.sub(v128.load(at), offset));
    v128.store(at, weight);
    sum = f32x4.add(sum, weight);
  }
  return sumLanes(sum);
}

function largestOf(at: usize, steps: i32): f32 {
  let largest = v128.load(at);
  for (let token: usize = 4; token < <usize>steps; token += 4)
    largest = f32x4.pmax(largest, v128.load(at + (token << 2)));
  return largestLane(largest);
}

function rescale(row: usize, head: i32, valueSize: i32, exponent: f32): void {
  const factor = f32x4.extract_lane(exponential(f32x4.splat(exponent)), 0);
  const total = row + state.total + (<usize>head << 2);
  store<f32>(total, load<f32>(total) * factor);
  scale(row + state.exact + (<usize>(head * valueSize) << 2), valueSize, factor);
  scale(row + state.decoded + (<usize>(head * valueSize) << 2), valueSize, factor);
}

/** Multiplies `count` f32, a multiple of 4. */
export function scale(at: usize, count: i32, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let index: usize = 0; index < <usize>count; index += 4)
    v128.store(at + (index << 2), f32x4.mul(v128.load(at + (index << 2)), factors));
}
