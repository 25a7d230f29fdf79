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
  unitFactor,
} from "./layout";
import { panelSums, sumPanel } from "./panels";
import { constants, factors, scores, state, units, weights } from "./row-state";
import { lost, roundFactors, sumLanes } from "./round-factors";

/** Heads that one call of the panels takes. */
const PASS: i32 = 4;

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
    const unit = roundFactors(from, to, headSize, largest);
    store<f32>(row + state.units + (<usize>head << 2), unit);
    for (let group = 0; group < groups; group++) {
      const first = group * groupSize;
      const sum = sumFactors(to + <usize>(2 * first), min(groupSize, headSize - first));
      store<f32>(row + state.sums + (<usize>(head * groups + group) << 2), <f32>sum * unit);
    }
  }
}

function sumFactors(at: usize, count: i32): i32 {
  let sum = i32x4.splat(0);
  const ones = i16x8.splat(1);
  for (let index = 0; index < count; index += 8)
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(at + (<usize>index << 1)), ones));
  return (
    i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3)
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
  const bits = field(key, BITS);
  const stride = <usize>headSize << 1;
  for (let place = 0; place < count; place += 16) {
    const panel = panelOf(record, bits, place, headSize);
    for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
      const channels = min(groupSize, headSize - channel);
      const codes = panel + <usize>(2 * channel * bits);
      for (let head = 0; head < heads; head += PASS) {
        const pass = min(PASS, heads - head);
        const x = row + state.factors + <usize>head * stride + (<usize>channel << 1);
        sumPanel(bits, pass, codes, channels, x, stride);
        finishTokens(layer, record, row, place, group, head, pass);
      }
    }
  }
}

/** Adds (stores, for the first group) `unit * scale * sum + minimum * sum of factors` of a panel. */
function finishTokens(layer: usize, record: usize, row: usize, place: i32, group: i32, head: i32, pass: i32): void {
  const key = layer + KEY;
  const groupSize = field(key, GROUP_SIZE);
  const groups = (field(layer, HEAD_SIZE) + groupSize - 1) / groupSize;
  const bits = field(key, BITS);
  const offset = <f32>-codeOffset(key);
  const parameters = record + (<usize>(group * TILE + place) << 1);
  for (let quad = 0; quad < 4; quad++) {
    const at = parameters + (<usize>quad << 3);
    const scale = loadHalves(at + field(key, SCALES));
    const minimum = field(key, AFFINE) ? loadHalves(at + field(key, MINIMA)) : f32x4.mul(scale, f32x4.splat(offset));
    const unitScale = f32x4.mul(scale, f32x4.splat(1 / <f32>unitFactor(bits, quad)));
    for (let index = 0; index < pass; index++) {
      const h = head + index;
      const sum = f32x4.convert_i32x4_s(v128.load(panelSums + (<usize>index << 6) + (<usize>quad << 4)));
      const unit = v128.load32_splat(row + state.units + (<usize>h << 2));
      const factorSum = v128.load32_splat(row + state.sums + (<usize>(h * groups + group) << 2));
      let score = f32x4.add(f32x4.mul(sum, f32x4.mul(unitScale, unit)), f32x4.mul(minimum, factorSum));
      const to = scores + (<usize>(h * TILE + place + 4 * quad) << 2);
      if (group > 0) score = f32x4.add(score, v128.load(to));
      v128.store(to, score);
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
    const end = min(count, block + groupSize);
    for (let place = block; place < end; place += 16) {
      const codes = panelOf(record, bits, place, headSize);
      for (let head = 0; head < heads; head += PASS) {
        const pass = min(PASS, heads - head);
        sumPanel(bits, pass, codes, headSize, factors + <usize>head * stride, stride);
        finishChannels(bits, place, head, pass);
      }
    }
  }
}

/** Factors of a block: the query times the scale of each channel; what the minima add is the same for all its tokens. */
function foldScales(layer: usize, record: usize, row: usize, group: i32): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const offset = <f32>-codeOffset(key);
  const affine = field(key, AFFINE);
  const middle = middleCode(field(key, BITS));
  const at = record + (<usize>(group * headSize) << 1);
  const scalesAt = at + field(key, SCALES);
  const minimaAt = at + field(key, MINIMA);
  const largest = largestFactor(field(key, BITS), headSize);
  for (let head = 0; head < heads; head++) {
    const query = row + state.rotated + <usize>(head * headSize * 4);
    let constant = f32x4.splat(0);
    for (let channel: usize = 0; channel < <usize>headSize; channel += 4) {
      const scale = loadHalves(scalesAt + (channel << 1));
      const minimum = affine ? loadHalves(minimaAt + (channel << 1)) : f32x4.mul(scale, f32x4.splat(offset));
      const x = v128.load(query + (channel << 2));
      v128.store(weights + (channel << 2), f32x4.mul(x, scale));
      constant = f32x4.add(constant, f32x4.mul(x, minimum));
    }
    const to = factors + <usize>(head * headSize * 2);
    const unit = roundFactors(weights, to, headSize, largest);
    store<f32>(units + (<usize>head << 2), unit);
    store<f32>(constants + (<usize>head << 2), sumLanes(constant) + unit * lost * middle);
  }
}

function finishChannels(bits: i32, place: i32, head: i32, pass: i32): void {
  for (let index = 0; index < pass; index++) {
    const h = <usize>(head + index);
    const unit = v128.load32_splat(units + (h << 2));
    const constant = v128.load32_splat(constants + (h << 2));
    const to = scores + ((h * TILE + place) << 2);
    const from = panelSums + (<usize>index << 6);
    for (let quad = 0; quad < 4; quad++) {
      const sum = f32x4.convert_i32x4_s(v128.load(from + (<usize>quad << 4)));
      const factor = f32x4.mul(unit, f32x4.splat(1 / <f32>unitFactor(bits, quad)));
      v128.store(to + (<usize>quad << 4), f32x4.add(f32x4.mul(sum, factor), constant));
    }
  }
}
