import { loadHalves } from "./float16";
import {
  AFFINE,
  BITS,
  codeOffset,
  field,
  GROUP_SIZE,
  HEAD_SIZE,
  largestFactor,
  middleCode,
  MINIMA,
  panelOf,
  SCALES,
  TILE,
  unitFactor,
  VALUE,
} from "./layout";
import { panelSums, sumPanel } from "./panels";
import { active, constants, factors, minima, scales, scores, state, units, weights } from "./row-state";
import { lost, roundFactors, sumLanes } from "./round-factors";

const PASS: i32 = 4;

/**
 * Adds the first `count` tokens of a record of values, weighted by what is in `scores`, to a row's decoded sum, for the
 * first `heads` heads of the active ones.
 */
export function addRecord(layer: usize, record: usize, row: usize, count: i32, heads: i32): void {
  const value = layer + VALUE;
  const headSize = field(layer, HEAD_SIZE);
  const groupSize = field(value, GROUP_SIZE);
  const bits = field(value, BITS);
  const steps = (count + 7) & ~7;
  for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
    loadParameters(value, record, group, count, steps);
    for (let index = 0; index < heads; index++) foldScales(index, steps, largestFactor(bits, steps), middleCode(bits));
    const end = min(headSize, channel + groupSize);
    for (let first = channel; first < end; first += 16) {
      const codes = panelOf(record, bits, first, TILE);
      for (let index = 0; index < heads; index += PASS) {
        const pass = min(PASS, heads - index);
        sumPanel(bits, pass, codes, steps, factors + <usize>(index * TILE * 2), TILE * 2);
        finish(bits, row, first, headSize, index, pass);
      }
    }
  }
}

/** Scales and minima of a group as f32; 0 from `count` on, where there may be anything. */
function loadParameters(value: usize, record: usize, group: i32, count: i32, steps: i32): void {
  const at = record + (<usize>(group * TILE) << 1);
  const scalesAt = at + field(value, SCALES);
  const minimaAt = at + field(value, MINIMA);
  const affine = field(value, AFFINE);
  const offset = <f32>-codeOffset(value);
  for (let token: usize = 0; token < <usize>steps; token += 4) {
    const scale = loadHalves(scalesAt + (token << 1));
    const minimum = affine ? loadHalves(minimaAt + (token << 1)) : f32x4.mul(scale, f32x4.splat(offset));
    v128.store(scales + (token << 2), scale);
    v128.store(minima + (token << 2), minimum);
  }
  for (let token = count; token < steps; token++) {
    store<f32>(scales + (<usize>token << 2), 0);
    store<f32>(minima + (<usize>token << 2), 0);
  }
}

/** Factors of one head: weight times scale of each token; what the minima add is the same for all channels of the group. */
function foldScales(index: i32, steps: i32, largest: i32, middle: f32): void {
  const from = scores + (<usize>(load<i32>(active + (<usize>index << 2)) * TILE) << 2);
  let constant = f32x4.splat(0);
  for (let token: usize = 0; token < <usize>steps; token += 4) {
    const weight = v128.load(from + (token << 2));
    v128.store(weights + (token << 2), f32x4.mul(weight, v128.load(scales + (token << 2))));
    constant = f32x4.add(constant, f32x4.mul(weight, v128.load(minima + (token << 2))));
  }
  const to = factors + <usize>(index * TILE * 2);
  const unit = roundFactors(weights, to, steps, largest);
  store<f32>(units + (<usize>index << 2), unit);
  store<f32>(constants + (<usize>index << 2), sumLanes(constant) + unit * lost * middle);
}

function finish(bits: i32, row: usize, channel: i32, headSize: i32, index: i32, pass: i32): void {
  for (let j = 0; j < pass; j++) {
    const at = <usize>(index + j) << 2;
    const head = load<i32>(active + at);
    const unit = v128.load32_splat(units + at);
    const constant = v128.load32_splat(constants + at);
    const to = row + state.decoded + (<usize>(head * headSize + channel) << 2);
    const from = panelSums + (<usize>j << 6);
    for (let quad: usize = 0; quad < 4; quad++) {
      const sum = f32x4.convert_i32x4_s(v128.load(from + (quad << 4)));
      const factor = f32x4.mul(unit, f32x4.splat(1 / <f32>unitFactor(bits, <i32>quad)));
      const more = f32x4.add(f32x4.mul(sum, factor), constant);
      v128.store(to + (quad << 4), f32x4.add(v128.load(to + (quad << 4)), more));
    }
  }
}
