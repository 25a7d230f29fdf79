/**
 * The position embedding (RoPE) before which keys are coded. Keys are turned by their place in the tile only, and queries back by the
 * position of the tile. A rope's fields are i32.
 */
import { TILE } from "./layout";

/** Pairs of channels that turn together. */
export const PAIRS: usize = 0;
/** From the first channel of a pair to that of the next one, and to the other channel of the pair. */
const STEP: usize = 4;
const DISTANCE: usize = 8;
/** Address of f32 `[pairs][2][TILE]`: cosines and sines of the places in a tile. */
const PLACES: usize = 12;
/**
 * Address of f32 `[3][64][pairs][2]`: cosines and sines of the positions of tiles, by three digits to the base 64 of a tile's number, the
 * lowest first. The first token that may be coded is in those of the lowest digit.
 */
const TILES: usize = 16;

/** Digits of a tile's number. */
const DIGITS: i32 = 3;
const DIGIT_BITS: i32 = 6;

// @ts-ignore: decorator
@inline
export function firstOf(rope: usize, pair: i32): i32 {
  return pair * load<i32>(rope + STEP);
}

// @ts-ignore: decorator
@inline
export function secondOf(rope: usize, pair: i32): i32 {
  return pair * load<i32>(rope + STEP) + load<i32>(rope + DISTANCE);
}

/** Cosines of a pair in a tile, f32 `[TILE]`; its sines follow. */
// @ts-ignore: decorator
@inline
export function turnsOf(rope: usize, pair: i32): usize {
  return load<usize>(rope + PLACES) + <usize>(pair * TILE * 8);
}

/** Turns `heads` queries, f32 `[heads][headSize]`, back by the position of a tile, into `to`. */
export function turnBack(rope: usize, tile: i32, from: usize, to: usize, heads: i32, headSize: i32): void {
  memory.copy(to, from, <usize>(heads * headSize) << 2);
  for (let pair = 0; pair < load<i32>(rope + PAIRS); pair++) {
    setTurn(rope, tile, pair);
    const one = to + (<usize>firstOf(rope, pair) << 2);
    const other = to + (<usize>secondOf(rope, pair) << 2);
    for (let head = 0; head < heads; head++) {
      const at = <usize>(head * headSize) << 2;
      const a = load<f32>(one + at);
      const b = load<f32>(other + at);
      store<f32>(one + at, a * cosine + b * sine);
      store<f32>(other + at, b * cosine - a * sine);
    }
  }
}

let cosine: f32 = 1;
let sine: f32 = 0;

/** Cosine and sine of a pair at the position of a tile. */
function setTurn(rope: usize, tile: i32, pair: i32): void {
  const pairs = load<i32>(rope + PAIRS);
  cosine = 1;
  sine = 0;
  for (let digit = 0, rest = tile; digit === 0 || rest > 0; digit++, rest >>= DIGIT_BITS) {
    const row = (digit << DIGIT_BITS) + (rest & ((1 << DIGIT_BITS) - 1));
    const at = load<usize>(rope + TILES) + (<usize>(row * pairs + pair) << 3);
    const c = load<f32>(at);
    const s = load<f32>(at, 4);
    const before = cosine;
    cosine = before * c - sine * s;
    sine = before * s + sine * c;
  }
}
