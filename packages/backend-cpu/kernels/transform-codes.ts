import { halfOf } from "./float16";
import {
  address,
  carried,
  CELLS_FROM,
  CELLS_PER_UNIT,
  cells,
  CHANNEL_LIST,
  channelIn,
  CHANNELS,
  channels,
  CODED,
  codes,
  FEEDBACK,
  GAIN,
  GUESSES,
  INVERSE_POWERS,
  LAST_CELLS,
  LEVELS,
  LOG_GAINS,
  LOGARITHMIC,
  NO_GAIN,
  NORM,
  ORDER,
  PIVOTS,
  swapCodes,
  targets,
  THRESHOLDS,
  trial,
  WIDTH,
} from "./transform-encoder";

const LARGEST_HALF: f64 = 65504;
const LARGEST_FLOAT: f32 = 3.4028234663852886e38;
const LOG_GAIN_COUNT: i32 = 16;
/** Steps from the likeliest gain that are tried. */
const GAIN_STEPS = memory.data<i32>([0, -1, 1, -2, 2]);
const GAIN_STEP_COUNT: usize = 5;

/** Chooses the gain and the codes of the token in `channels`, which are then in `codes`; returns the gain as stored. */
export function chooseCodes(encoder: usize): i32 {
  const gain = load<i32>(encoder + GAIN);
  if (gain === LOGARITHMIC) return searchGain(encoder);
  const root = gain === NO_GAIN ? 1 : rootMeanSquare(encoder, false);
  const stored = gain === NORM ? halfOfGain(root) : 0;
  tryGain(encoder, gain === NORM ? numberOf(stored) : <f64>(<f32>root), Infinity);
  swapCodes();
  if (gain === NO_GAIN || gain === NORM) return stored;
  const unit = rootMeanSquare(encoder, true);
  return halfOfGain(unit > 0 ? root / unit : 0);
}

function halfOfGain(gain: f64): i32 {
  return <i32>halfOf(<f32>min(gain, LARGEST_HALF));
}

function numberOf(half: i32): f64 {
  return <f64>(reinterpret<f32>((half & 0x7fff) << 13) * reinterpret<f32>(0x77800000));
}

/** Of the channels with bits, or of what they are decoded to at gain 1. */
function rootMeanSquare(encoder: usize, decoded: bool): f64 {
  let squares: f64 = 0;
  for (let index = 0; index < load<i32>(encoder + CHANNELS); index++) {
    const channel = channelIn(address(encoder, CHANNEL_LIST), index);
    if (load<i32>(channel + WIDTH) === 0) continue;
    const code = <i32>load<u16>(codes + (<usize>index << 1));
    const number = decoded ? levelOf(channel, code) : load<f64>(channels + (<usize>index << 3));
    squares += number * number;
  }
  return Math.sqrt(squares / <f64>max(1, load<i32>(encoder + CODED)));
}

/** The logarithmic gain with the least squared error, near the one that the token's power gives. */
function searchGain(encoder: usize): i32 {
  const gains = address(encoder, LOG_GAINS);
  const estimate = likeliestGain(encoder, gains + 8 * LOG_GAIN_COUNT);
  let best = -1;
  let least = Infinity;
  for (let step: usize = 0; step < GAIN_STEP_COUNT; step++) {
    const place = estimate + load<i32>(GAIN_STEPS + (step << 2));
    if (place < 0 || place >= LOG_GAIN_COUNT) continue;
    const error = tryGain(encoder, load<f64>(gains + (<usize>place << 3)), least);
    if (error >= least) continue;
    best = place;
    least = error;
    swapCodes();
  }
  return best;
}

/** Place of the gain whose power is nearest to the token's over what is expected. */
function likeliestGain(encoder: usize, powers: usize): i32 {
  const inverse = address(encoder, INVERSE_POWERS);
  let power: f64 = 0;
  for (let index: usize = 0; index < load<usize>(encoder + CHANNELS) << 3; index += 8) {
    const number = load<f64>(channels + index);
    power += number * number * load<f64>(inverse + index);
  }
  power /= <f64>max(1, load<i32>(encoder + CODED));
  let place = 0;
  while (place < LOG_GAIN_COUNT - 1 && power >= load<f64>(powers + (<usize>place << 3))) place++;
  return place;
}

/** Codes each channel at a gain, into `trial`. Returns the error, or any number of at least `limit` once it reaches that. */
function tryGain(encoder: usize, gain: f64, limit: f64): f64 {
  const inverse: f64 = gain > 0 ? 1 / gain : 0;
  if (address(encoder, ORDER)) return shapedCodes(encoder, gain, inverse, limit);
  aim(encoder, inverse);
  return nearestCodes(encoder, gain, limit);
}

/** Fills `targets` with the channels over the gain, and `cells`. */
function aim(encoder: usize, inverse: f64): void {
  const end = load<usize>(encoder + CHANNELS) << 2;
  const from = address(encoder, CELLS_FROM);
  const perUnit = address(encoder, CELLS_PER_UNIT);
  const last = address(encoder, LAST_CELLS);
  const factor = f64x2.splat(inverse);
  for (let at: usize = 0; at < end; at += 16) {
    const low = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(channels + 2 * at), factor));
    const high = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(channels + 2 * at, 16), factor));
    const target = finite(v128.shuffle<u64>(low, high, 0, 2));
    v128.store(targets + at, target);
    const cell = f32x4.mul(f32x4.sub(target, v128.load(from + at)), v128.load(perUnit + at));
    const clamped = i32x4.min_s(i32x4.max_s(i32x4.trunc_sat_f32x4_s(cell), i32x4.splat(0)), v128.load(last + at));
    v128.store(cells + at, clamped);
  }
}

/** Below the infinity that ends thresholds. */
// @ts-ignore: decorator
@inline
function finite(numbers: v128): v128 {
  return f32x4.pmax(f32x4.splat(-LARGEST_FLOAT), f32x4.pmin(f32x4.splat(LARGEST_FLOAT), numbers));
}

function nearestCodes(encoder: usize, gain: f64, limit: f64): f64 {
  const count = load<i32>(encoder + CHANNELS);
  let channel = address(encoder, CHANNEL_LIST);
  const end = channelIn(channel, count);
  let at: usize = 0;
  let error: f64 = 0;
  for (; channel < end && error < limit; channel = channelIn(channel, 1)) {
    const code = nearestCode(channel, load<f32>(targets + 2 * at), load<usize>(cells + 2 * at));
    store<u16>(trial + at, code);
    const difference = load<f64>(channels + 4 * at) - gain * levelOf(channel, code);
    error += difference * difference;
    at += 2;
  }
  return error;
}

/** The same with targets that make up for the errors of the channels before. */
function shapedCodes(encoder: usize, gain: f64, inverse: f64, limit: f64): f64 {
  const count = load<usize>(encoder + CHANNELS);
  const order = address(encoder, ORDER);
  const pivots = address(encoder, PIVOTS);
  const list = address(encoder, CHANNEL_LIST);
  let feedback = address(encoder, FEEDBACK);
  memory.fill(carried, 0, count << 3);
  let error: f64 = 0;
  for (let place: usize = 0; place < count && error < limit; place++) {
    const index = load<i32>(order + (place << 2));
    const channel = channelIn(list, index);
    const number = load<f64>(channels + (<usize>index << 3));
    const before = load<f64>(carried + (place << 3));
    const target = <f32>((number + before) * inverse);
    const code = nearestCode(channel, max<f32>(-LARGEST_FLOAT, min<f32>(LARGEST_FLOAT, target)), cellOf(encoder, index, target));
    store<u16>(trial + (<usize>index << 1), code);
    const own = number - gain * levelOf(channel, code);
    error += load<f64>(pivots + (place << 3)) * (own + before) * (own + before);
    feed(feedback, carried + (place << 3) + 8, carried + (count << 3), own);
    feedback += (count - place - 1) << 3;
  }
  return error;
}

/** Adds an error to what the places after it carry. May write one number beyond them, which none reads. */
function feed(feedback: usize, at: usize, end: usize, error: f64): void {
  const factor = f64x2.splat(error);
  for (; at < end; at += 16) {
    v128.store(at, f64x2.add(v128.load(at), f64x2.mul(v128.load(feedback), factor)));
    feedback += 16;
  }
}

function cellOf(encoder: usize, index: i32, target: f32): usize {
  const at = <usize>index << 2;
  const cell = (target - load<f32>(address(encoder, CELLS_FROM) + at)) * load<f32>(address(encoder, CELLS_PER_UNIT) + at);
  const whole = i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.splat(cell)), 0);
  return max(0, min(load<i32>(address(encoder, LAST_CELLS) + at), whole));
}

/** From the guess of its cell on. Thresholds begin with minus infinity. */
// @ts-ignore: decorator
@inline
function nearestCode(channel: usize, target: f32, cell: usize): i32 {
  if (load<i32>(channel + WIDTH) === 16) return <i32>halfOf(max<f32>(-65504, min<f32>(65504, target)));
  const thresholds = address(channel, THRESHOLDS);
  let code = <usize>load<u8>(address(channel, GUESSES) + cell);
  code += <usize>(target >= load<f32>(thresholds + (code << 2), 4));
  while (target >= load<f32>(thresholds + (code << 2), 4)) code++;
  while (target < load<f32>(thresholds + (code << 2))) code--;
  return <i32>code;
}

/** What a code stands for at gain 1. */
// @ts-ignore: decorator
@inline
function levelOf(channel: usize, code: i32): f64 {
  if (load<i32>(channel + WIDTH) === 16) return numberOfSigned(code);
  return <f64>load<f32>(address(channel, LEVELS) + (<usize>code << 2));
}

function numberOfSigned(half: i32): f64 {
  const magnitude = numberOf(half);
  return half & 0x8000 ? -magnitude : magnitude;
}
