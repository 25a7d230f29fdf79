import { loadHalves } from "./float16";
import { hadamard } from "./hadamard";
import {
  address,
  BY_FACTORS,
  BY_HADAMARD,
  CHANNELS,
  channels,
  FACTORS,
  MEAN,
  PAIR_DISTANCE,
  PAIR_STEP,
  PAIRS,
  PLACES,
  ROTATION,
  targets,
  vector,
} from "./transform-encoder";

/**
 * The channels of a float16 row: `encodeToken` of `@kvtuner/quantizers` up to its codes, with its sums in its order, and bit for bit its
 * result. Cosines and sines are of the token's position, f32 `[pairs]`.
 */
export function toChannels(encoder: usize, row: usize, headSize: i32, cosines: usize, sines: usize): void {
  loadVector(row, headSize);
  turnBack(encoder, cosines, sines);
  const mean = address(encoder, MEAN);
  if (mean) subtract(mean, headSize);
  const rotation = load<i32>(encoder + ROTATION);
  if (rotation === BY_FACTORS) byFactors(encoder);
  else if (rotation === BY_HADAMARD) byHadamard(encoder, headSize);
  else byMatrix(encoder, headSize);
}

/** Two f32 as f64. */
// @ts-ignore: decorator
@inline
function loadPair(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

/** f64 rounded to f32, as f64. */
// @ts-ignore: decorator
@inline
function rounded(numbers: v128): v128 {
  return f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(numbers));
}

function loadVector(row: usize, headSize: i32): void {
  for (let to = vector, end = vector + (<usize>headSize << 3); to < end; to += 32) {
    const numbers = loadHalves(row);
    v128.store(to, f64x2.promote_low_f32x4(numbers));
    v128.store(to, f64x2.promote_low_f32x4(v128.shuffle<u32>(numbers, numbers, 2, 3, 2, 3)), 16);
    row += 8;
  }
}

/** Undoes RoPE. */
function turnBack(encoder: usize, cosines: usize, sines: usize): void {
  const pairs = load<i32>(encoder + PAIRS);
  const step = load<usize>(encoder + PAIR_STEP) << 3;
  const distance = load<usize>(encoder + PAIR_DISTANCE) << 3;
  let one = vector;
  let pair = 0;
  if (step === 8)
    for (; pair + 2 <= pairs; pair += 2) {
      const a = v128.load(one);
      const b = v128.load(one + distance);
      const cosine = loadPair(cosines);
      const sine = loadPair(sines);
      v128.store(one, f64x2.add(f64x2.mul(a, cosine), f64x2.mul(b, sine)));
      v128.store(one + distance, f64x2.sub(f64x2.mul(b, cosine), f64x2.mul(a, sine)));
      one += 16;
      cosines += 8;
      sines += 8;
    }
  for (; pair < pairs; pair++) {
    const a = load<f64>(one);
    const b = load<f64>(one + distance);
    const cosine = <f64>load<f32>(cosines);
    const sine = <f64>load<f32>(sines);
    store<f64>(one, a * cosine + b * sine);
    store<f64>(one + distance, b * cosine - a * sine);
    one += step;
    cosines += 4;
    sines += 4;
  }
}

function subtract(mean: usize, headSize: i32): void {
  for (let at = vector, end = vector + (<usize>headSize << 3); at < end; at += 16) {
    v128.store(at, f64x2.sub(v128.load(at), loadPair(mean)));
    mean += 8;
  }
}

function byFactors(encoder: usize): void {
  const factors = address(encoder, FACTORS);
  const places = address(encoder, PLACES);
  for (let index: usize = 0; index < load<usize>(encoder + CHANNELS); index++) {
    const number = load<f64>(vector + (load<usize>(places + (index << 2)) << 3));
    store<f64>(channels + (index << 3), <f64>(<f32>(number * <f64>load<f32>(factors + (index << 2)))));
  }
}

function byHadamard(encoder: usize, headSize: i32): void {
  const signs = address(encoder, FACTORS);
  const places = address(encoder, PLACES);
  for (let index: usize = 0; index < <usize>headSize; index++) {
    const sign: f64 = signs ? <f64>load<f32>(signs + (index << 2)) : 1;
    store<f32>(targets + (index << 2), <f32>(load<f64>(vector + (index << 3)) * sign));
  }
  hadamard(targets, headSize);
  for (let index: usize = 0; index < load<usize>(encoder + CHANNELS); index++)
    store<f64>(channels + (index << 3), <f64>load<f32>(targets + (load<usize>(places + (index << 2)) << 2)));
}

/** Eight channels at a time, whose sums stay in registers. */
function byMatrix(encoder: usize, headSize: i32): void {
  const count = load<usize>(encoder + CHANNELS);
  const stride = ((count + 3) & ~3) << 2;
  const end = vector + (<usize>headSize << 3);
  let column = address(encoder, FACTORS);
  let to = channels;
  let left = <i32>count;
  for (; left > 4; left -= 8) {
    sumEight(column, stride, end, to);
    column += 32;
    to += 64;
  }
  if (left > 0) sumFour(column, stride, end, to);
}

function sumEight(matrix: usize, stride: usize, end: usize, to: usize): void {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  let c = f64x2.splat(0);
  let d = f64x2.splat(0);
  for (let at = vector; at < end; at += 8) {
    const number = v128.load64_splat(at);
    a = f64x2.add(a, f64x2.mul(number, loadPair(matrix)));
    b = f64x2.add(b, f64x2.mul(number, loadPair(matrix + 8)));
    c = f64x2.add(c, f64x2.mul(number, loadPair(matrix + 16)));
    d = f64x2.add(d, f64x2.mul(number, loadPair(matrix + 24)));
    matrix += stride;
  }
  v128.store(to, rounded(a));
  v128.store(to, rounded(b), 16);
  v128.store(to, rounded(c), 32);
  v128.store(to, rounded(d), 48);
}

function sumFour(matrix: usize, stride: usize, end: usize, to: usize): void {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let at = vector; at < end; at += 8) {
    const number = v128.load64_splat(at);
    a = f64x2.add(a, f64x2.mul(number, loadPair(matrix)));
    b = f64x2.add(b, f64x2.mul(number, loadPair(matrix + 8)));
    matrix += stride;
  }
  v128.store(to, rounded(a));
  v128.store(to, rounded(b), 16);
}
