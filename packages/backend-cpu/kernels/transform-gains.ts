import { loadHalf } from "./float16";
import { GAINS, LOG_GAINS, NO_GAINS, part } from "./transform-table";
import { gainCodes } from "./transform-words";

/** The four bytes, lowest first, of the f32 that logarithmic gains stand for: `2^((place - 8) / 4)`. */
// prettier-ignore
const GAIN_BYTES = memory.data<u8>([
  0, 240, 243, 253, 0, 240, 243, 253, 0, 240, 243, 253, 0, 240, 243, 253,
  0, 55, 4, 68, 0, 55, 4, 68, 0, 55, 4, 68, 0, 55, 4, 68,
  128, 152, 181, 215, 0, 24, 53, 87, 128, 152, 181, 215, 0, 24, 53, 87,
  62, 62, 62, 62, 63, 63, 63, 63, 63, 63, 63, 63, 64, 64, 64, 64,
], 16);

/** Gains of the first `count` tokens of a tile, f32, and zeros up to a multiple of 16. */
export function loadGains(coder: usize, record: usize, count: i32, to: usize): void {
  const kind = part(coder, GAINS);
  for (let token = 0; token < count; token += 16) {
    const at = to + (<usize>token << 2);
    if (kind === LOG_GAINS) storeGains(gainCodes(record, token >> 4), at);
    else for (let index = token; index < token + 16; index++) {
      const gain: f32 = kind === NO_GAINS ? 1 : index < count ? loadHalf(record + (<usize>index << 1)) : 0;
      store<f32>(to + (<usize>index << 2), gain);
    }
  }
  for (let token = count; token & 15; token++) store<f32>(to + (<usize>token << 2), 0);
}

function storeGains(codes: v128, to: usize): void {
  const a = i8x16.swizzle(v128.load(GAIN_BYTES), codes);
  const b = i8x16.swizzle(v128.load(GAIN_BYTES, 16), codes);
  const c = i8x16.swizzle(v128.load(GAIN_BYTES, 32), codes);
  const d = i8x16.swizzle(v128.load(GAIN_BYTES, 48), codes);
  storeFloats(lower(a, b), lower(c, d), to);
  storeFloats(upper(a, b), upper(c, d), to + 32);
}

/** Eight f32 from their lower and upper halves. */
// @ts-ignore: decorator
@inline
function storeFloats(low: v128, high: v128, to: usize): void {
  v128.store(to, v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to, v128.shuffle<i16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15), 16);
}

// @ts-ignore: decorator
@inline
function lower(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function upper(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
