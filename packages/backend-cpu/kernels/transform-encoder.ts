/**
 * What encoding needs of a KV head of the codec `transform`, beside its coder (`transform-table.ts`). Written by
 * `src/wasm/transform/encoder-table.ts`; all fields are i32. Arrays have one number a channel, those of 0 bits included if there is a
 * metric, filled up to a multiple of 4.
 */

const ENCODER_BYTES: usize = 80;
/** Channels, and those of them with bits. */
export const CHANNELS: usize = 0;
export const CODED: usize = 4;
/** How the gain is chosen: {@link NO_GAIN} and so on. */
export const GAIN: usize = 8;
/** Pairs of numbers that RoPE turned, 0 for vectors as given; from one pair to the next, and from one of a pair to the other. */
export const PAIRS: usize = 12;
export const PAIR_STEP: usize = 16;
export const PAIR_DISTANCE: usize = 20;
/** Address of the mean, f32 `[headSize]`; 0 where it is 0. */
export const MEAN: usize = 24;
/** How channels come from numbers: {@link BY_FACTORS} and so on. */
export const ROTATION: usize = 28;
/** Address of the factors of channels, f32; of signs, f32 `[headSize]`, 0 where there are none; or of the matrix, f32 `[headSize][channels]`. */
export const FACTORS: usize = 32;
/** Address of the number of each channel in a head vector, i32; none for a matrix. */
export const PLACES: usize = 36;
/** Address of the channels. */
export const CHANNEL_LIST: usize = 40;
/** Addresses of where the cells of channels begin, f32; of cells in 1, f32; and of their last cells, i32. */
export const CELLS_FROM: usize = 44;
export const CELLS_PER_UNIT: usize = 48;
export const LAST_CELLS: usize = 52;
/** Address of 1 over the power expected of each channel at gain 1, f64. */
export const INVERSE_POWERS: usize = 56;
/** Address of the logarithmic gains, f64 `[16]`, and of the powers from which each but the first is the nearest, f64 `[15]`. */
export const LOG_GAINS: usize = 60;
/** Addresses of the metric (`ShapedMetric` of `@kvtuner/quantizers`): order, i32; pivots, f64; of each place what it feeds to those after it, f64. 0 without. */
export const ORDER: usize = 64;
export const PIVOTS: usize = 68;
export const FEEDBACK: usize = 72;

export const NO_GAIN: i32 = 0;
export const LOGARITHMIC: i32 = 1;
export const NORM: i32 = 2;

export const BY_FACTORS: i32 = 0;
export const BY_HADAMARD: i32 = 1;

/**
 * A channel: its bits, where its codes begin in the KV head's record, and the addresses of its levels, f32, of its thresholds, f32 between
 * minus infinity and infinity, and of the first guess of each cell, a byte.
 */
const CHANNEL_BYTES: usize = 20;
export const WIDTH: usize = 0;
export const CODES: usize = 4;
export const LEVELS: usize = 8;
export const THRESHOLDS: usize = 12;
export const GUESSES: usize = 16;

/** Encoder of one KV head. */
// @ts-ignore: decorator
@inline
export function encoderOf(encoders: usize, head: i32): usize {
  return encoders + <usize>head * ENCODER_BYTES;
}

// @ts-ignore: decorator
@inline
export function address(encoder: usize, offset: usize): usize {
  return load<usize>(encoder + offset);
}

/** Channel `index` of a list. */
// @ts-ignore: decorator
@inline
export function channelIn(list: usize, index: i32): usize {
  return list + <usize>index * CHANNEL_BYTES;
}

/** Arrays of one token, each of up to `headSize` numbers and 4 more. Numbers of the vector and of channels, f64. */
export let vector: usize = 0;
export let channels: usize = 0;
/** What the channels are to be at gain 1, f32, and the cells that they are in, i32. */
export let targets: usize = 0;
export let cells: usize = 0;
/** Errors that the codes of channels so far leave to each place of the metric's order, f64. */
export let carried: usize = 0;
/** Codes, u16: the best so far, and those of a trial. */
export let codes: usize = 0;
export let trial: usize = 0;

/** Lays out the arrays of one token, `36 * (headSize + 4)` bytes. */
export function layOutToken(at: usize, headSize: i32): void {
  const numbers = <usize>(headSize + 4);
  vector = at;
  channels = vector + 8 * numbers;
  carried = channels + 8 * numbers;
  targets = carried + 8 * numbers;
  cells = targets + 4 * numbers;
  codes = cells + 4 * numbers;
  trial = codes + 2 * numbers;
}

export function swapCodes(): void {
  const best = trial;
  trial = codes;
  codes = best;
}
