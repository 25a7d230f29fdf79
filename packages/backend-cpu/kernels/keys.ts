import { scoreChannels } from "./channel-keys";
import { loadHalves } from "./float16";
import {
  AFFINE,
  BITS,
  CHANNEL,
  codeOffset,
  field,
  FLOAT8,
  GROUP_SIZE,
  HEAD_SIZE,
  HEADS,
  KEY,
  largestFactor,
  MINIMA,
  SCALES,
  TILE,
  unitFactors,
} from "./layout";
import { multiplyAdd } from "./multiply-add";
import { MAX_HEADS, panelSums } from "./panel-sums";
import { sumPanels } from "./panels";
import { factorSum, largestLane, roundFactors } from "./round-factors";
import { splitFactors } from "./split-factors";
import { storeScores } from "./store-scores";
import { isTwoLevel, loadTokens } from "./two-level";
import { maxima, middles, scales, scores, state, weights } from "./row-state";

/**
 * The score error, in powers of 2, from which a second pass adds what the query's int16 factors leave out: a factor's unit
 * times the largest key, times the root of the channels. About a tenth of it is the error's standard deviation. Queries that
 * are far out in some channels reach it.
 */
const COARSE: f32 = 6e-3;
/** By how many powers of 2 a score is below the largest one when its error no longer counts. */
const WEIGHTLESS: f32 = 18;

/** Whether the record and row under way ask for that pass. */
let isCoarse = false;

/** Largest magnitude that a key of the record and group under way may have. */
let largestKey: f32 = 0;

/** Prepares a row's factors; axis channel does so for each block, whose scales go into them. */
export function prepareKeyFactors(layer: usize, row: usize): void {
  const key = layer + KEY;
  if (field(key, BITS) === 16 || field(key, CHANNEL) || field(key, FLOAT8)) return;
  const heads = field(layer, HEADS);
  const headSize = field(key, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  const groups = (headSize + groupSize - 1) / groupSize;
  const largest = largestFactor(field(key, BITS), groupSize);
  for (let head = 0; head < heads; head++) {
    const from = row + state.rotated + <usize>(head * headSize * 4);
    const to = row + state.factors + <usize>(head * headSize * 2);
    const magnitude = largestMagnitude(from, headSize);
    const unit = roundFactors(from, to, headSize, largest, magnitude);
    store<f32>(row + state.units + (<usize>head << 2), unit);
    sumGroups(to, row + state.sums + (<usize>(head * groups) << 2), unit, groups, groupSize, headSize);
    const residues = row + state.residues + <usize>(head * headSize * 2);
    leaveOut(from, to, headSize, unit);
    const fineUnit = roundFactors(weights, residues, headSize, largest, <f32>0.501 * unit);
    store<f32>(row + state.residueUnits + (<usize>head << 2), fineUnit);
    sumGroups(residues, row + state.residueSums + (<usize>(head * groups) << 2), fineUnit, groups, groupSize, headSize);
    splitFactors(field(key, BITS), to, headSize);
    splitFactors(field(key, BITS), residues, headSize);
  }
}

/** Sum of the factors of each group, times their unit. */
function sumGroups(from: usize, to: usize, unit: f32, groups: i32, groupSize: i32, headSize: i32): void {
  for (let group = 0; group < groups; group++) {
    const first = group * groupSize;
    const sum = factorSum(from + <usize>(2 * first), min(groupSize, headSize - first));
    store<f32>(to + (<usize>group << 2), <f32>sum * unit);
  }
}

/** What rounding to factors left out of `count` f32, into `weights`. */
function leaveOut(from: usize, rounded: usize, count: i32, unit: f32): void {
  const units = f32x4.splat(unit);
  for (let index: usize = 0; index < <usize>count; index += 4) {
    const kept = f32x4.mul(f32x4.convert_i32x4_s(v128.load16x4_s(rounded + (index << 1))), units);
    v128.store(weights + (index << 2), f32x4.sub(v128.load(from + (index << 2)), kept));
  }
}

function largestMagnitude(from: usize, count: i32): f32 {
  let largest = f32x4.splat(0);
  for (let index: usize = 0; index < <usize>count; index += 4)
    largest = f32x4.pmax(largest, f32x4.abs(v128.load(from + (index << 2))));
  return largestLane(largest);
}

/**
 * Scores of a row and the first `count` tokens of a record, into `scores`; up to 15 more are overwritten with anything. The
 * largest of all of them, lane by lane, goes into `maxima`.
 */
export function scoreRecord(layer: usize, record: usize, row: usize, count: i32): void {
  if (field(layer + KEY, CHANNEL)) scoreChannels(layer, record, row, count);
  else scoreTokens(layer, record, row, count);
}

function scoreTokens(layer: usize, record: usize, row: usize, count: i32): void {
  isCoarse = false;
  addGroups(layer, record, row, count, row + state.factors, row + state.units, row + state.sums, false);
  if (isCoarse && mattersIn(row, 0, field(layer, HEADS)))
    addGroups(layer, record, row, count, row + state.residues, row + state.residueUnits, row + state.residueSums, true);
}

/** Stores the scores that `factors` give; if it `adds`, adds them for the heads that need it. */
function addGroups(
  layer: usize,
  record: usize,
  row: usize,
  count: i32,
  factorsAt: usize,
  unitsAt: usize,
  sumsAt: usize,
  adds: bool,
): void {
  const key = layer + KEY;
  const heads = field(layer, HEADS);
  const headSize = field(key, HEAD_SIZE);
  const groupSize = field(key, GROUP_SIZE);
  const groups = (headSize + groupSize - 1) / groupSize;
  const bits = field(key, BITS);
  const stride = <usize>headSize << 1;
  const panels = (count + 15) >> 4;
  for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
    loadParameters(key, record, group, panels);
    const codes = record + <usize>(2 * channel * bits);
    const channels = min(groupSize, headSize - channel);
    for (let head = 0; head < heads; head += MAX_HEADS) {
      const pass = min(MAX_HEADS, heads - head);
      if (adds && !mattersIn(row, head, pass)) continue;
      if (!adds) isCoarse = isCoarse || isCoarseIn(row, head, pass, headSize);
      const x = factorsAt + <usize>head * stride + (<usize>channel << 1);
      sumPanels(bits, pass, codes, channels, x, stride, panels, <usize>(2 * headSize * bits));
      finishPass(bits, unitsAt, sumsAt, head, pass, panels, groups, group, adds || group > 0);
    }
  }
}

/** Whether factors alone are too coarse for some of the heads. */
function isCoarseIn(row: usize, head: i32, pass: i32, headSize: i32): bool {
  const tolerance = COARSE / (largestKey * Mathf.sqrt(<f32>headSize));
  for (let index = head; index < head + pass; index++)
    if (load<f32>(row + state.units + (<usize>index << 2)) > tolerance) return true;
  return false;
}

/** Whether the tokens of the record weigh anything in some of the heads. */
function mattersIn(row: usize, head: i32, pass: i32): bool {
  for (let index = <usize>head; index < <usize>(head + pass); index++) {
    const largest = largestLane(v128.load(maxima + (index << 4)));
    if (largest > load<f32>(row + state.largest + (index << 2)) - WEIGHTLESS) return true;
  }
  return false;
}

function finishPass(
  bits: i32,
  unitsAt: usize,
  sumsAt: usize,
  head: i32,
  pass: i32,
  panels: i32,
  groups: i32,
  group: i32,
  adds: bool,
): void {
  for (let j = 0; j < pass; j++) {
    const unit = load<f32>(unitsAt + (<usize>(head + j) << 2));
    const sum = load<f32>(sumsAt + (<usize>((head + j) * groups + group) << 2));
    finishTokens(bits, head + j, panelSums + (<usize>j << 6), panels, unit, sum, adds);
  }
}

/** Scales and minima of a group as f32; the largest magnitude that they allow into `largestKey`. */
function loadParameters(key: usize, record: usize, group: i32, panels: i32): void {
  if (isTwoLevel(key)) return loadCodedParameters(key, record, group, panels);
  const at = record + (<usize>(group * TILE) << 1);
  const scalesAt = at + field(key, SCALES);
  const minimaAt = at + field(key, MINIMA);
  const affine = field(key, AFFINE);
  const offset = f32x4.splat(<f32>-codeOffset(key));
  const levels = f32x4.splat(<f32>((1 << field(key, BITS)) - 1));
  let largest = f32x4.splat(0);
  for (let quad: usize = 0; quad < <usize>panels << 2; quad++) {
    const scale = loadHalves(scalesAt + (quad << 3));
    const minimum = affine ? loadHalves(minimaAt + (quad << 3)) : f32x4.mul(scale, offset);
    v128.store(scales + (quad << 4), scale);
    v128.store(middles + (quad << 4), minimum);
    const highest = f32x4.add(minimum, f32x4.mul(scale, levels));
    largest = f32x4.pmax(largest, f32x4.pmax(f32x4.abs(minimum), f32x4.abs(highest)));
  }
  largestKey = largestLane(largest);
}

/** The same of parameters in two levels. */
function loadCodedParameters(key: usize, record: usize, group: i32, panels: i32): void {
  loadTokens(key, record, group, panels << 4);
  const offset = f32x4.splat(<f32>-codeOffset(key));
  const levels = f32x4.splat(<f32>((1 << field(key, BITS)) - 1));
  let largest = f32x4.splat(0);
  for (let at: usize = 0; at < <usize>panels << 6; at += 16) {
    const scale = v128.load(scales + at);
    const minimum = f32x4.add(v128.load(middles + at), f32x4.mul(scale, offset));
    v128.store(middles + at, minimum);
    const highest = f32x4.add(minimum, f32x4.mul(scale, levels));
    largest = f32x4.pmax(largest, f32x4.pmax(f32x4.abs(minimum), f32x4.abs(highest)));
  }
  largestKey = largestLane(largest);
}

// @ts-ignore: decorator
@inline
function tokenScore(sum: v128, unit: v128, at: usize, factorSums: v128): v128 {
  const product = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sum), unit), v128.load(scales + at));
  return multiplyAdd(v128.load(middles + at), factorSums, product);
}

/** Adds (stores, unless it `adds`) `unit * scale * sum + minimum * sum of factors` of one head's panels. */
function finishTokens(bits: i32, head: i32, from: usize, panels: i32, unit: f32, factorSum: f32, adds: bool): void {
  const each = unitFactors(bits);
  const unit0 = f32x4.splat(unit * load<f32>(each));
  const unit1 = f32x4.splat(unit * load<f32>(each, 4));
  const unit2 = f32x4.splat(unit * load<f32>(each, 8));
  const unit3 = f32x4.splat(unit * load<f32>(each, 12));
  const factorSums = f32x4.splat(factorSum);
  const first = scores + (<usize>(head * TILE) << 2);
  let largest = f32x4.splat(-3e38);
  for (let at: usize = 0; at < <usize>panels << 6; at += 64) {
    const a = tokenScore(v128.load(from), unit0, at, factorSums);
    const b = tokenScore(v128.load(from, 16), unit1, at + 16, factorSums);
    const c = tokenScore(v128.load(from, 32), unit2, at + 32, factorSums);
    const d = tokenScore(v128.load(from, 48), unit3, at + 48, factorSums);
    largest = storeScores(first + at, a, b, c, d, adds, largest);
    from += 256;
  }
  v128.store(maxima + (<usize>head << 4), largest);
}
