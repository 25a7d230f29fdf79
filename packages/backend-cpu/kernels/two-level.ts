import { loadHalf, loadHalves } from "./float16";
import { AFFINE, BLOCK, field, GROUP_SIZE, HEAD_SIZE, MINIMA, MINIMUM_UNITS, SCALE_UNITS, SCALES, TILE } from "./layout";
import { middles, scales } from "./row-state";

/** What the code of a minimum of 0 is. */
const MINIMUM_ZERO: i32 = 128;

/** First token of the tile under way, counted from the first that may be coded. */
let firstToken: i32 = 0;

/** Which tile the records are of that are read next. */
export function useTile(tile: i32): void {
  firstToken = tile * TILE;
}

/** Whether scales and minima are 8-bit codes. */
// @ts-ignore: decorator
@inline
export function isTwoLevel(tensor: usize): bool {
  return field(tensor, SCALE_UNITS) !== 0;
}

/** Scales and minima (0 if symmetric) of a group of channels and the first `count` tokens of a tile, into `scales` and `middles`. */
export function loadTokens(tensor: usize, record: usize, group: i32, count: i32): void {
  const affine = field(tensor, AFFINE);
  const block = field(tensor, BLOCK);
  const scaleCodes = record + field(tensor, SCALES) + group * TILE;
  const minimumCodes = record + field(tensor, MINIMA) + group * TILE;
  let units: usize = 0;
  let left = block - (firstToken % block);
  for (let token: usize = 0; token < <usize>count; units += 2) {
    const scaleUnit = loadHalf(record + field(tensor, SCALE_UNITS) + units);
    const minimumUnit: f32 = affine ? loadHalf(record + field(tensor, MINIMUM_UNITS) + units) : 0;
    for (const end = min(<usize>count, token + left); token < end; token++) {
      store<f32>(scales + (token << 2), <f32>load<u8>(scaleCodes + token) * scaleUnit);
      const minimum = affine ? <f32>(<i32>load<u8>(minimumCodes + token) - MINIMUM_ZERO) * minimumUnit : 0;
      store<f32>(middles + (token << 2), minimum);
    }
    left = block;
  }
}

/** The same of a group of tokens and all channels. */
export function loadChannels(tensor: usize, record: usize, group: i32): void {
  const headSize = field(tensor, HEAD_SIZE);
  for (let channel = 0; channel < headSize; channel += 4) {
    const at = <usize>channel << 2;
    v128.store(scales + at, scalesOf(tensor, record, group, channel));
    v128.store(middles + at, minimaOf(tensor, record, group, channel));
  }
}

/** Scales of four channels and a group of tokens. */
export function scalesOf(tensor: usize, record: usize, group: i32, channel: i32): v128 {
  const headSize = field(tensor, HEAD_SIZE);
  const codes = loadBytes(record + field(tensor, SCALES) + group * headSize + channel);
  const units = record + field(tensor, SCALE_UNITS) + 2 * (blockOf(tensor, group) * headSize + channel);
  return f32x4.mul(f32x4.convert_i32x4_s(codes), loadHalves(units));
}

/** Minima of four channels and a group of tokens; 0 if symmetric. */
export function minimaOf(tensor: usize, record: usize, group: i32, channel: i32): v128 {
  if (!field(tensor, AFFINE)) return f32x4.splat(0);
  const headSize = field(tensor, HEAD_SIZE);
  const codes = loadBytes(record + field(tensor, MINIMA) + group * headSize + channel);
  const units = record + field(tensor, MINIMUM_UNITS) + 2 * (blockOf(tensor, group) * headSize + channel);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(codes, i32x4.splat(MINIMUM_ZERO))), loadHalves(units));
}

/** The block of a group of tokens, among those that the tile has tokens of. */
function blockOf(tensor: usize, group: i32): i32 {
  const block = field(tensor, BLOCK);
  return (firstToken + group * field(tensor, GROUP_SIZE)) / block - firstToken / block;
}

/** Four bytes as i32. */
// @ts-ignore: decorator
@inline
function loadBytes(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}
