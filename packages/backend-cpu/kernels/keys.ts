import { loadHalves } from "./float16";
import {
  AFFINE,
  BITS,
  CHANNEL,
  codeOffset,
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
import { panelSums, sumPanels } from "./panels";
import { factorSum, roundFactors, sumLanes } from "./round-factors";
import { constants, factors, scores, state, units, weights } from "./row-state";

/** Heads that one call of the panels takes. */
const PASS: i32 = 4;

/** Units of up to four heads times the factors of the output groups, f32 `[4 heads][4 groups]`. */
const groupUnits: usize = memory.data(4 * 16, 16);

/** Prepares a row's factors; axis channel does so for each block, whose scales go into them. */
export function prepareKeyFactors(layer: usize, row: usize): void {
  const key = layer + KEY;
  if (field(key, BITS) === 16 || field(key, CHANNEL)) return;
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  const groups = (headSize + groupSize - 1) / groupSize;
  const largest = largestFactor(field(key, BITS), groupSize);
  for (let head = 0; head < heads; head++) {
    const from = row + state.rotated + <usize>(head * headSize * 4);
    const to = row + state.factors + <usize>(head * headSize * 2);
    const magnitude = largestMagnitude(from, headSize);
    const unit = roundFactors(from, to, headSize, largest, magnitude);
    store<f32>(row + state.units + (<usize>head << 2), unit);
    for (let group = 0; group < groups; group++) {
      const first = group * groupSize;
      const sum = factorSum(to + <usize>(2 * first), min(groupSize, headSize - first));
      store<f32>(row + state.sums + (<usize>(head * groups + group) << 2), <f32>sum * unit);
    }
  }
}

function largestMagnitude(from: usize, count: i32): f32 {
  let largest = f32x4.splat(0);
  for (let index: usize = 0; index < <usize>count; index += 4)
    largest = f32x4.pmax(largest, f32x4.abs(v128.load(from + (index << 2))));
  return largestLane(largest);
}

// @ts-ignore: decorator
@inline
function largestLane(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** Scores of a row and the first `count` tokens of a record, into `scores`; up to 15 more are overwritten with anything. */
export function scoreRecord(layer: usize, record: usize, row: usize, count: i32): void {
  if (field(layer + KEY, CHANNEL)) scoreChannels(layer, record, row, count);
  else scoreTokens(layer, record, row, count);
}

function scoreTokens(layer: usize, record: usize, row: usize, count: i32): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  const groups = (headSize + groupSize - 1) / groupSize;
  const bits = field(key, BITS);
  const stride = <usize>headSize << 1;
  const panels = (count + 15) >> 4;
  for (let head = 0; head < heads; head += PASS) {
    const pass = min(PASS, heads - head);
    spreadUnits(bits, row + state.units + (<usize>head << 2), pass);
    for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
      const codes = record + <usize>(2 * channel * bits);
      const x = row + state.factors + <usize>head * stride + (<usize>channel << 1);
      const channels = min(groupSize, headSize - channel);
      sumPanels(bits, pass, codes, channels, x, stride, panels, <usize>(2 * headSize * bits));
      const sums = row + state.sums + (<usize>(head * groups + group) << 2);
      finishTokens(key, record, group, head, pass, panels, sums, <usize>groups << 2);
    }
  }
}

function spreadUnits(bits: i32, from: usize, pass: i32): void {
  const each = unitFactors(bits);
  for (let head: usize = 0; head < <usize>pass; head++)
    v128.store(groupUnits + (head << 4), f32x4.mul(each, v128.load32_splat(from + (head << 2))));
}

/** Adds (stores, for the first group) `unit * scale * sum + minimum * sum of factors` of all panels. */
function finishTokens(
  key: usize,
  record: usize,
  group: i32,
  head: i32,
  pass: i32,
  panels: i32,
  factorSums: usize,
  sumStride: usize,
): void {
  const offset = f32x4.splat(<f32>-codeOffset(key));
  const affine = field(key, AFFINE);
  const parameters = record + (<usize>(group * TILE) << 1);
  const scalesAt = parameters + field(key, SCALES);
  const minimaAt = parameters + field(key, MINIMA);
  const first = scores + (<usize>(head * TILE) << 2);
  for (let quad: usize = 0; quad < <usize>panels << 2; quad++) {
    const scale = loadHalves(scalesAt + (quad << 3));
    const minimum = affine ? loadHalves(minimaAt + (quad << 3)) : f32x4.mul(scale, offset);
    let from = panelSums + ((quad >> 2) << 8) + ((quad & 3) << 4);
    let unit = groupUnits + ((quad & 3) << 2);
    let factorSumAt = factorSums;
    let to = first + (quad << 4);
    const end = to + (<usize>pass << 9);
    while (to < end) {
      const sum = f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), scale);
      let score = f32x4.mul(sum, v128.load32_splat(unit));
      score = f32x4.add(score, f32x4.mul(minimum, v128.load32_splat(factorSumAt)));
      if (group > 0) score = f32x4.add(score, v128.load(to));
      v128.store(to, score);
      from += 64;
      unit += 16;
      factorSumAt += sumStride;
      to += TILE << 2;
    }
  }
}

function scoreChannels(layer: usize, record: usize, row: usize, count: i32): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  const bits = field(key, BITS);
  const stride = <usize>headSize << 1;
  for (let block = 0; block < count; block += groupSize) {
    foldScales(layer, record, row, block / groupSize);
    const panels = (min(count - block, groupSize) + 15) >> 4;
    const codes = panelOf(record, bits, block, headSize);
    for (let head = 0; head < heads; head += PASS) {
      const pass = min(PASS, heads - head);
      const x = factors + <usize>head * stride;
      sumPanels(bits, pass, codes, headSize, x, stride, panels, <usize>(2 * headSize * bits));
      spreadUnits(bits, units + (<usize>head << 2), pass);
      finishChannels(block, head, pass, panels);
    }
  }
}

/** Factors of a block: the query times the scale of each channel; what the minima add is the same for all its tokens. */
function foldScales(layer: usize, record: usize, row: usize, group: i32): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const bits = field(key, BITS);
  const affine = field(key, AFFINE);
  const middle = middleCode(bits);
  const toMiddle = f32x4.splat(middle - <f32>codeOffset(key));
  const largest = largestFactor(bits, headSize);
  const at = record + (<usize>(group * headSize) << 1);
  const scalesAt = at + field(key, SCALES);
  const minimaAt = at + field(key, MINIMA);
  for (let head = 0; head < heads; head++) {
    const query = row + state.rotated + <usize>(head * headSize * 4);
    let constant = f32x4.splat(0);
    let magnitude = f32x4.splat(0);
    for (let channel: usize = 0; channel < <usize>headSize; channel += 4) {
      const scale = loadHalves(scalesAt + (channel << 1));
      let middleOf = f32x4.mul(scale, toMiddle);
      if (affine) middleOf = f32x4.add(middleOf, loadHalves(minimaAt + (channel << 1)));
      const x = v128.load(query + (channel << 2));
      const product = f32x4.mul(x, scale);
      v128.store(weights + (channel << 2), product);
      magnitude = f32x4.pmax(magnitude, f32x4.abs(product));
      constant = f32x4.add(constant, f32x4.mul(x, middleOf));
    }
    const to = factors + <usize>(head * headSize * 2);
    const unit = roundFactors(weights, to, headSize, largest, largestLane(magnitude));
    store<f32>(units + (<usize>head << 2), unit);
    const less = unit * middle * <f32>factorSum(to, headSize);
    store<f32>(constants + (<usize>head << 2), sumLanes(constant) - less);
  }
}

function finishChannels(block: i32, head: i32, pass: i32, panels: i32): void {
  for (let index: usize = 0; index < <usize>pass; index++) {
    const constant = v128.load32_splat(constants + ((<usize>head + index) << 2));
    const unit = groupUnits + (index << 4);
    const unit0 = v128.load32_splat(unit);
    const unit1 = v128.load32_splat(unit, 4);
    const unit2 = v128.load32_splat(unit, 8);
    const unit3 = v128.load32_splat(unit, 12);
    let to = scores + (((<usize>head + index) * TILE + <usize>block) << 2);
    let from = panelSums + (index << 6);
    for (let panel = 0; panel < panels; panel++) {
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), unit0), constant));
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), unit1), constant), 16);
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 32)), unit2), constant), 32);
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 48)), unit3), constant), 48);
      from += 256;
      to += 64;
    }
  }
}
