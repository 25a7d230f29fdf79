import {
  AFFINE,
  BITS,
  field,
  GROUP_SIZE,
  ROTATED,
  HEAD_SIZE,
  largestFactor,
  middleCode,
  panelOf,
  TILE,
  unitFactors,
  VALUE,
} from "./layout";
import { loadMiddles } from "./load-middles";
import { multiplyAdd } from "./multiply-add";
import { MAX_HEADS, MAX_PANELS, panelSums } from "./panel-sums";
import { sumPanels } from "./panels";
import { laneSum, largestLane, ROUND_MAGIC, roundEight, sumLanes } from "./round-factors";
import { splitEight } from "./split-factors";
import { active, constants, factors, middles, origins, scales, scores, state, units, weights } from "./row-state";

/** What an origin of the code after the last one would be: 128 tokens times an int16 times this fit 32 bits. */
const ORIGIN_RANGE: i32 = 512;

/**
 * Adds the first `count` tokens of a record of values, weighted by what is in `scores`, to a row's decoded sum, for the
 * first `heads` heads of the active ones.
 */
export function addRecord(layer: usize, record: usize, row: usize, count: i32, heads: i32): void {
  const value = layer + VALUE;
  const headSize = field(value, HEAD_SIZE);
  const groupSize = field(value, GROUP_SIZE);
  const steps = (count + 7) & ~7;
  for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
    loadParameters(value, record, group, count, steps);
    for (let index = 0; index < heads; index++) foldScales(value, index, steps);
    const end = min(headSize, channel + groupSize);
    for (let first = channel; first < end; first += 16 * MAX_PANELS)
      addPanels(value, record, row, first, min(MAX_PANELS, (end - first) >> 4), headSize, steps, heads);
  }
}

/**
 * Scales, origins and the numbers of the origins, with 0 from `count` on, where there may be anything. A factor's error
 * multiplies what a code is off its origin: at the middle code that is least. After the Hadamard transform the errors of all
 * channels add up in the first channel of the output, unless the origin is the code of zero: the error is then that of a
 * weight.
 */
function loadParameters(value: usize, record: usize, group: i32, count: i32, steps: i32): void {
  loadMiddles(value, record, group * TILE, steps);
  for (let token = count; token < steps; token++) {
    store<f32>(scales + (<usize>token << 2), 0);
    store<f32>(middles + (<usize>token << 2), 0);
  }
  const middle = i16x8.splat(<i16>(middleCode(value) * originsPerCode(value)));
  const moves = field(value, AFFINE) && field(value, ROTATED);
  for (let token: usize = 0; token < <usize>steps; token += 8) {
    let origin = middle;
    if (moves) origin = i16x8.sub(middle, i16x8.narrow_i32x4_s(moveMiddles(value, token), moveMiddles(value, token + 4)));
    v128.store(origins + (token << 1), origin);
  }
}

/** Origins count in parts of a code. */
// @ts-ignore: decorator
@inline
function originsPerCode(value: usize): f32 {
  return <f32>(ORIGIN_RANGE >> field(value, BITS));
}

/** Moves the middles of four tokens to zero, as far as codes go; returns by how many origins, as i32. */
// @ts-ignore: decorator
@inline
function moveMiddles(value: usize, token: usize): v128 {
  const at = token << 2;
  const scale = v128.load(scales + at);
  const middle = v128.load(middles + at);
  const perCode = originsPerCode(value);
  const farthest = middleCode(value);
  const magic = f32x4.splat(ROUND_MAGIC);
  // What 0 / 0 gives is no number, and `pmax` takes its first argument for it.
  const codes = f32x4.pmin(f32x4.splat(farthest), f32x4.pmax(f32x4.splat(-farthest), f32x4.div(middle, scale)));
  const rounded = multiplyAdd(codes, f32x4.splat(perCode), magic);
  const moved = f32x4.mul(f32x4.sub(rounded, magic), f32x4.splat(1 / perCode));
  v128.store(middles + at, f32x4.sub(middle, f32x4.mul(moved, scale)));
  return i32x4.sub(rounded, magic);
}

/** Factors of one head: weight times scale of each token; what the origins add is the same for all channels of the group. */
function foldScales(value: usize, index: i32, steps: i32): void {
  const bits = field(value, BITS);
  const from = scores + (<usize>(load<i32>(active + (<usize>index << 2)) * TILE) << 2);
  let constant = f32x4.splat(0);
  let magnitude = f32x4.splat(0);
  for (let token: usize = 0; token < <usize>steps << 2; token += 16) {
    const weight = v128.load(from + token);
    const product = f32x4.mul(weight, v128.load(scales + token));
    v128.store(weights + token, product);
    magnitude = f32x4.pmax(magnitude, product);
    constant = multiplyAdd(weight, v128.load(middles + token), constant);
  }
  const largest = largestLane(magnitude);
  const unit = roundSplit(bits, factors + <usize>(index * TILE * 2), steps, largestFactor(bits, steps), largest);
  store<f32>(units + (<usize>index << 2), unit);
  const less = unit * <f32>originSum / originsPerCode(value);
  store<f32>(constants + (<usize>index << 2), sumLanes(constant) - less);
}

/** Sum of the factors that {@link roundSplit} made times their origins. */
let originSum: i32 = 0;

/** What `roundFactors` and `splitFactors` do one after the other, for the numbers in `weights`. */
function roundSplit(bits: i32, to: usize, count: i32, largest: i32, magnitude: f32): f32 {
  originSum = 0;
  if (magnitude < 1e-30) {
    memory.fill(to, 0, <usize>count << 1);
    return 0;
  }
  const inverse = f32x4.splat(<f32>largest / magnitude);
  const magic = f32x4.splat(ROUND_MAGIC);
  let sum = i32x4.splat(0);
  let origin = origins;
  let from = weights;
  for (const end = from + (<usize>count << 2); from < end; from += 32) {
    const rounded = roundEight(v128.load(from), v128.load(from, 16), inverse, magic);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(rounded, v128.load(origin)));
    v128.store(to, splitEight(bits, rounded));
    origin += 16;
    to += 16;
  }
  originSum = laneSum(sum);
  return magnitude / <f32>largest;
}

function addPanels(
  value: usize,
  record: usize,
  row: usize,
  channel: i32,
  panels: i32,
  headSize: i32,
  steps: i32,
  heads: i32,
): void {
  const bits = field(value, BITS);
  const codes = panelOf(record, bits, channel, TILE);
  for (let index = 0; index < heads; index += MAX_HEADS) {
    const pass = min(MAX_HEADS, heads - index);
    sumPanels(bits, pass, codes, steps, factors + <usize>(index * TILE * 2), TILE * 2, panels, <usize>(2 * TILE * bits));
    for (let j = 0; j < pass; j++) finish(bits, row, channel, headSize, index + j, panelSums + (<usize>j << 6), panels);
  }
}

function finish(bits: i32, row: usize, channel: i32, headSize: i32, index: i32, from: usize, panels: i32): void {
  const at = <usize>index << 2;
  const constant = v128.load32_splat(constants + at);
  const each = unitFactors(bits);
  const unit = v128.load32_splat(units + at);
  const unit0 = f32x4.mul(unit, v128.load32_splat(each));
  const unit1 = f32x4.mul(unit, v128.load32_splat(each, 4));
  const unit2 = f32x4.mul(unit, v128.load32_splat(each, 8));
  const unit3 = f32x4.mul(unit, v128.load32_splat(each, 12));
  let to = row + state.decoded + (<usize>(load<i32>(active + at) * headSize + channel) << 2);
  for (let panel = 0; panel < panels; panel++) {
    increase(to, multiplyAdd(f32x4.convert_i32x4_s(v128.load(from)), unit0, constant));
    increase(to + 16, multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 16)), unit1, constant));
    increase(to + 32, multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 32)), unit2, constant));
    increase(to + 48, multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 48)), unit3, constant));
    from += 256;
    to += 64;
  }
}

// @ts-ignore: decorator
@inline
function increase(at: usize, more: v128): void {
  v128.store(at, f32x4.add(v128.load(at), more));
}
