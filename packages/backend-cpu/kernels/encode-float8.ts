import { halfOf, loadHalf, loadHalves } from "./float16";
import { BLOCK, CODED_FROM, field, FIXED_SCALES, FLOAT8, HEAD_SIZE, KEY, KV_HEADS, recordOf, rowOf, SCALES, TILE, VALUE } from "./layout";

const E4M3: i32 = 1;

/** Of the format under way: bits of the mantissa, exponent of the smallest normal number, largest number. */
let mantissaBits: i32 = 0;
let lowestExponent: i32 = 0;
let largest: f32 = 0;

/**
 * Encodes whole blocks of tokens `from .. to - 1`, counted from the first that may be coded, from their pages: the codec `float8` of
 * `@kvtuner/quantizers`, bit for bit.
 */
export function encodeFloat8(layer: usize, isValue: i32, from: i32, to: i32): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  useFormat(field(tensor, FLOAT8));
  const fixed = <usize>field(tensor, FIXED_SCALES);
  const block = fixed ? 1 : field(tensor, BLOCK);
  for (let head = 0; head < field(layer, KV_HEADS); head++)
    for (let first = from; first < to; first += block)
      if (fixed) encodeRow(layer, tensor, head, first, load<f32>(fixed + (<usize>head << 2)));
      else encodeBlock(layer, tensor, head, first, block);
}

function useFormat(format: i32): void {
  mantissaBits = format === E4M3 ? 3 : 2;
  lowestExponent = format === E4M3 ? -6 : -14;
  largest = format === E4M3 ? 448 : 57344;
}

/** Tokens of one scale. Each tile that has some of them stores it. */
function encodeBlock(layer: usize, tensor: usize, head: i32, first: i32, block: i32): void {
  const scale = scaleOf(layer, tensor, head, first, block);
  for (let token = first; token < first + block; token++) {
    const tile = token / TILE;
    const at = recordOf(tensor, head, tile) + field(tensor, SCALES) + (<usize>(token / block - (tile * TILE) / block) << 1);
    store<u16>(at, scale);
    encodeRow(layer, tensor, head, token, loadHalf(at));
  }
}

/** The smallest float16 of which `largest` times reach all numbers. */
function scaleOf(layer: usize, tensor: usize, head: i32, first: i32, block: i32): u32 {
  const headSize = field(tensor, HEAD_SIZE);
  let most = i16x8.splat(0);
  for (let token = first; token < first + block; token++) {
    const row = rowOf(tensor, head, token + field(layer, CODED_FROM), headSize);
    for (let at = row; at < row + (<usize>headSize << 1); at += 16)
      most = i16x8.max_s(most, v128.and(v128.load(at), i16x8.splat(0x7fff)));
  }
  most = i16x8.max_s(most, v128.shuffle<i64>(most, most, 1, 0));
  most = i16x8.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  const magnitude = numberOf(<u32>max<i32>(i16x8.extract_lane_s(most, 0), i16x8.extract_lane_s(most, 1)));
  const scale = halfOf(magnitude / largest);
  return numberOf(scale) < magnitude / largest ? scale + 1 : scale;
}

/** A float16 that is not negative. */
function numberOf(half: u32): f32 {
  return reinterpret<f32>(half << 13) * reinterpret<f32>(0x77800000);
}

function encodeRow(layer: usize, tensor: usize, head: i32, token: i32, scale: f32): void {
  const headSize = field(tensor, HEAD_SIZE);
  let row = rowOf(tensor, head, token + field(layer, CODED_FROM), headSize);
  const to = recordOf(tensor, head, token / TILE) + <usize>((token & (TILE - 1)) * headSize);
  if (scale === 0) return memory.fill(to, 0, headSize);
  for (let at = to; at < to + <usize>headSize; at += 4) {
    const words = codesOf(f32x4.div(loadHalves(row), f32x4.splat(scale)));
    const halves = i16x8.narrow_i32x4_u(words, words);
    v128.store32_lane(at, i8x16.narrow_i16x8_u(halves, halves), 0);
    row += 8;
  }
}

/** The nearest floats of 8 bits, halves to even, as i32. Clamps to the largest. */
function codesOf(numbers: v128): v128 {
  const magnitude = f32x4.min(f32x4.abs(numbers), f32x4.splat(largest));
  const shift = 23 - mantissaBits;
  const odd = v128.and(i32x4.shr_u(magnitude, shift), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat((1 << (shift - 1)) - 1)), odd), shift);
  const normal = i32x4.sub(rounded, i32x4.splat((lowestExponent + 126) << mantissaBits));
  const stepsOfOne = reinterpret<f32>((127 + mantissaBits - lowestExponent) << 23);
  const subnormal = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(magnitude, f32x4.splat(stepsOfOne))));
  const isNormal = f32x4.ge(magnitude, f32x4.splat(reinterpret<f32>((127 + lowestExponent) << 23)));
  const sign = v128.and(i32x4.shr_u(numbers, 24), i32x4.splat(0x80));
  return v128.or(sign, v128.bitselect(normal, subnormal, isNormal));
}
