import { loadHalves } from "./float16";
import {
  AFFINE,
  BITS,
  field,
  GROUP_SIZE,
  HEAD_SIZE,
  HEADS,
  KEY,
  largestFactor,
  middleCode,
  MINIMA,
  panelOf,
  SCALES,
  TILE,
  unitFactors,
} from "./layout";
import { loadMiddles } from "./load-middles";
import { multiplyAdd } from "./multiply-add";
import { MAX_HEADS, panelSums } from "./panel-sums";
import { sumPanels } from "./panels";
import { laneSum, largestLane, ROUND_MAGIC, sumLanes } from "./round-factors";
import { splitEight, splitFactors } from "./split-factors";
import {
  constants,
  factors,
  fineConstants,
  fineFactors,
  fineUnits,
  maxima,
  middles,
  scaledQuery,
  scales,
  scores,
  state,
  units,
} from "./row-state";
import { storeScores } from "./store-scores";
import { isTwoLevel, minimaOf, scalesOf } from "./two-level";

/** What int16 factors leave out is at most half, and multiplied so that it fits. */
const FINE: f32 = 1.99;

/**
 * The score error, in powers of 2, from which a second pass adds what the int16 factors leave out: the largest product of a
 * query's number and what its channel spans, over the largest factor, times the root of the channels. A seventh of it is
 * the error's standard deviation. Queries that are far out in some channels reach it.
 */
const COARSE: f32 = 4e-3;
/** The largest product of a query's number and a scale below which codes add nothing to a score: 256 channels of 8 bits add 7e-8. */
const NOTHING: f32 = 1e-12;
/** The sum of `|query * minimum|`, in powers of 2, from which constants are summed in double precision. */
const LARGE: f32 = 1024;

/** What the record and row under way ask for. */
let isCoarse = false;
let isLarge = false;

/** Scores of a row and the first `count` tokens of a record whose keys are quantized per channel; see `scoreRecord`. */
export function scoreChannels(layer: usize, record: usize, row: usize, count: i32): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(key, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  loadLargest(key, record, (count + groupSize - 1) / groupSize, headSize);
  scaleQueries(key, row, heads, headSize);
  for (let block = 0, group = 0; block < count; block += groupSize, group++) {
    loadMiddles(key, record, group * headSize, headSize);
    for (let head = 0; head < heads; head++) foldScales(key, row, head, headSize);
    const panels = (min(count - block, groupSize) + 15) >> 4;
    sumBlock(key, record, block, panels, heads, headSize);
  }
}

/** The largest scales of each channel over `blocks` blocks into `scales`, the largest magnitudes of its minima into `middles`. */
function loadLargest(key: usize, record: usize, blocks: i32, headSize: i32): void {
  if (isTwoLevel(key)) return loadLargestOfCodes(key, record, blocks, headSize);
  const affine = field(key, AFFINE);
  const stride = <usize>headSize << 1;
  for (let channel: usize = 0; channel < <usize>headSize; channel += 4) {
    let at = record + field(key, SCALES) + (channel << 1);
    let scale = loadHalves(at);
    let minimum = affine ? f32x4.abs(loadHalves(at + field(key, MINIMA) - field(key, SCALES))) : f32x4.splat(0);
    for (let block = 1; block < blocks; block++) {
      at += stride;
      scale = f32x4.pmax(scale, loadHalves(at));
      if (affine) minimum = f32x4.pmax(minimum, f32x4.abs(loadHalves(at + field(key, MINIMA) - field(key, SCALES))));
    }
    v128.store(scales + (channel << 2), scale);
    v128.store(middles + (channel << 2), minimum);
  }
}

/** The same of parameters in two levels. */
function loadLargestOfCodes(key: usize, record: usize, blocks: i32, headSize: i32): void {
  for (let channel = 0; channel < headSize; channel += 4) {
    let scale = f32x4.splat(0);
    let minimum = f32x4.splat(0);
    for (let group = 0; group < blocks; group++) {
      scale = f32x4.pmax(scale, scalesOf(key, record, group, channel));
      minimum = f32x4.pmax(minimum, f32x4.abs(minimaOf(key, record, group, channel)));
    }
    v128.store(scales + (<usize>channel << 2), scale);
    v128.store(middles + (<usize>channel << 2), minimum);
  }
}

/**
 * Queries over the unit of their factors into `scaledQuery`: one unit serves all blocks of the record. Where all keys are
 * constant, factors are 0 and the unit is 1: the constant of `foldScales` is the whole score.
 */
function scaleQueries(key: usize, row: usize, heads: i32, headSize: i32): void {
  const bits = field(key, BITS);
  const largest = <f32>largestFactor(bits, headSize);
  const tolerance = COARSE / (<f32>((1 << bits) - 1) * Mathf.sqrt(<f32>headSize));
  isCoarse = false;
  isLarge = false;
  for (let head: usize = 0; head < <usize>heads; head++) {
    const query = row + state.rotated + ((head * headSize) << 2);
    let magnitude = f32x4.splat(0);
    let sum = f32x4.splat(0);
    for (let at: usize = 0; at < <usize>headSize << 2; at += 16) {
      const x = f32x4.abs(v128.load(query + at));
      magnitude = f32x4.pmax(magnitude, f32x4.mul(x, v128.load(scales + at)));
      sum = multiplyAdd(x, v128.load(middles + at), sum);
    }
    const product = largestLane(magnitude);
    const isConstant = product < NOTHING;
    store<f32>(units + (head << 2), isConstant ? 1 : product / largest);
    isCoarse = isCoarse || product > tolerance * largest;
    isLarge = isLarge || sumLanes(sum) > LARGE;
    const inverse = f32x4.splat(isConstant ? 1 : largest / product);
    const to = scaledQuery + ((head * headSize) << 2);
    for (let at: usize = 0; at < <usize>headSize << 2; at += 16)
      v128.store(to + at, f32x4.mul(v128.load(query + at), inverse));
  }
}

/**
 * Factors of a block and head: the query times the scale of each channel; what the middles add is the same for all tokens of
 * the block. Only what a code is off the middle multiplies the factors' error; see `roundFactors`.
 */
function foldScales(key: usize, row: usize, head: i32, headSize: i32): void {
  const bits = field(key, BITS);
  const query = scaledQuery + (<usize>(head * headSize) << 2);
  const to = factors + <usize>(head * headSize * 2);
  const magic = f32x4.splat(ROUND_MAGIC);
  const ones = i16x8.splat(1);
  let constant = f32x4.splat(0);
  let total = i32x4.splat(0);
  for (let at: usize = 0; at < <usize>headSize << 2; at += 32) {
    const x = v128.load(query + at);
    const y = v128.load(query + at, 16);
    const low = multiplyAdd(x, v128.load(scales + at), magic);
    const high = multiplyAdd(y, v128.load(scales + at, 16), magic);
    const rounded = i16x8.narrow_i32x4_s(i32x4.sub(low, magic), i32x4.sub(high, magic));
    v128.store(to + (at >> 1), isCoarse ? rounded : splitEight(bits, rounded));
    total = i32x4.add(total, i32x4.dot_i16x8_s(rounded, ones));
    constant = multiplyAdd(x, v128.load(middles + at), constant);
    constant = multiplyAdd(y, v128.load(middles + at, 16), constant);
  }
  const unit = load<f32>(units + (<usize>head << 2));
  const less = unit * middleCode(key) * <f32>laneSum(total);
  const sum = isLarge ? <f32>(preciseConstant(row, head, headSize) - <f64>less) : unit * sumLanes(constant) - less;
  store<f32>(constants + (<usize>head << 2), sum);
  if (isCoarse) foldRest(key, head, headSize, unit);
}

/** Sum of the query times the middles. */
function preciseConstant(row: usize, head: i32, headSize: i32): f64 {
  const query = row + state.rotated + (<usize>(head * headSize) << 2);
  let sum = f64x2.splat(0);
  for (let at: usize = 0; at < <usize>headSize << 2; at += 8) {
    const x = f64x2.promote_low_f32x4(v128.load64_zero(query + at));
    sum = f64x2.add(sum, f64x2.mul(x, f64x2.promote_low_f32x4(v128.load64_zero(middles + at))));
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** What rounding to `factors` left out, in the same form with a smaller unit. */
function foldRest(key: usize, head: i32, headSize: i32, unit: f32): void {
  const query = scaledQuery + (<usize>(head * headSize) << 2);
  const from = factors + <usize>(head * headSize * 2);
  const to = fineFactors + <usize>(head * headSize * 2);
  const multiplier = FINE * <f32>largestFactor(field(key, BITS), headSize);
  let total = 0;
  for (let channel: usize = 0; channel < <usize>headSize; channel++) {
    const product = load<f32>(query + (channel << 2)) * load<f32>(scales + (channel << 2));
    const rest = <i32>nearest((product - <f32>load<i16>(from + (channel << 1))) * multiplier);
    store<i16>(to + (channel << 1), rest);
    total += rest;
  }
  splitFactors(field(key, BITS), from, headSize);
  splitFactors(field(key, BITS), to, headSize);
  const fineUnit = unit / multiplier;
  store<f32>(fineUnits + (<usize>head << 2), fineUnit);
  store<f32>(fineConstants + (<usize>head << 2), -fineUnit * middleCode(key) * <f32>total);
}

function sumBlock(key: usize, record: usize, block: i32, panels: i32, heads: i32, headSize: i32): void {
  const bits = field(key, BITS);
  const codes = panelOf(record, bits, block, headSize);
  const stride = <usize>headSize << 1;
  const panelBytes = <usize>(2 * headSize * bits);
  for (let head = 0; head < heads; head += MAX_HEADS) {
    const pass = min(MAX_HEADS, heads - head);
    const skipped = <usize>head * stride;
    sumPanels(bits, pass, codes, headSize, factors + skipped, stride, panels, panelBytes);
    for (let index = 0; index < pass; index++) finish(bits, block, head, index, panels, units, constants, false);
    if (!isCoarse) continue;
    sumPanels(bits, pass, codes, headSize, fineFactors + skipped, stride, panels, panelBytes);
    for (let index = 0; index < pass; index++) finish(bits, block, head, index, panels, fineUnits, fineConstants, true);
  }
}

/** Stores (adds, if it `adds`) `unit * sum + constant` of the panels of head `first + index`. */
function finish(
  bits: i32,
  block: i32,
  first: i32,
  index: i32,
  panels: i32,
  unitsAt: usize,
  constantsAt: usize,
  adds: bool,
): void {
  const head = <usize>(first + index);
  const each = unitFactors(bits);
  const constant = v128.load32_splat(constantsAt + (head << 2));
  const unit = v128.load32_splat(unitsAt + (head << 2));
  const unit0 = f32x4.mul(unit, v128.load32_splat(each));
  const unit1 = f32x4.mul(unit, v128.load32_splat(each, 4));
  const unit2 = f32x4.mul(unit, v128.load32_splat(each, 8));
  const unit3 = f32x4.mul(unit, v128.load32_splat(each, 12));
  let to = scores + ((head * TILE + <usize>block) << 2);
  let from = panelSums + (<usize>index << 6);
  let largest = block > 0 ? v128.load(maxima + (head << 4)) : f32x4.splat(-3e38);
  for (let panel = 0; panel < panels; panel++) {
    const a = multiplyAdd(f32x4.convert_i32x4_s(v128.load(from)), unit0, constant);
    const b = multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 16)), unit1, constant);
    const c = multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 32)), unit2, constant);
    const d = multiplyAdd(f32x4.convert_i32x4_s(v128.load(from, 48)), unit3, constant);
    largest = storeScores(to, a, b, c, d, adds, largest);
    from += 256;
    to += 64;
  }
  v128.store(maxima + (head << 4), largest);
}
