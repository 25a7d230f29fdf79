/**
 * The codec `transform`: what a tensor's part of the layer's record points to, and where a token's codes are. Written by
 * `src/wasm/transform/coder-table.ts`; all fields are i32.
 *
 * A record of a KV head has its tokens' gains and then its channels, those with bits, one after the other: planes of 8, 4, 2 and
 * 1 bits, the lowest bits of a code first. In a plane, lane `token % 16` of v128 number `token / 16 / n` holds the codes of `n = 8 / bits`
 * groups of 16 tokens, the first lowest.
 */
import { CODERS, RECORDS, TILE } from "./layout";

/** Bytes of what there is for each KV head. */
const CODER_BYTES: usize = 48;
/** Where the KV head's part begins in a record of all heads. */
export const RECORD: usize = 0;
/** Channels with bits. */
export const CHANNELS: usize = 4;
/** How gains are stored: {@link NO_GAINS}, {@link LOG_GAINS} or float16 `[TILE]`. */
export const GAINS: usize = 8;
/** Address of the channels. */
export const CHANNEL_LIST: usize = 12;
/** Address of the mean, f32 `[headSize]`; 0 where it is 0. */
export const MEAN: usize = 16;
/** Address of the matrix by which channels become numbers, f32 `[channels][headSize]`; 0 where a channel is a number. */
export const MATRIX: usize = 20;
/** Address of the position embedding before which keys are coded (`transform-rope.ts`); 0 without. */
export const ROPE: usize = 24;
/** Address of the mean in the order in which values are expanded (`exact.ts`). */
export const EXACT_MEAN: usize = 28;

/** Whether channels decode to int16: all have at most 8 bits, and none goes through a matrix before it is turned. */
export const DECODES_WORDS: usize = 32;
/** Address of what 1 of int16 stands for in each channel, f32, filled up to a multiple of 4; values. */
export const UNITS: usize = 36;
/** Pairs of channels; keys. */
export const PAIRS: usize = 40;
export const PAIR_LIST: usize = 44;

export const NO_GAINS: i32 = 0;
export const LOG_GAINS: i32 = 1;

/**
 * A channel: its bits, where its codes begin in the KV head's record, its number in a head vector, and the addresses of its levels, f32
 * and int16 (`transform-words.ts`).
 */
const CHANNEL_BYTES: usize = 20;
export const WIDTH: usize = 0;
export const CODES: usize = 4;
export const PLACE: usize = 8;
export const LEVELS: usize = 12;
export const WORDS: usize = 16;

/**
 * A pair of channels, turned together: each one's bits, 0 where it has none, codes and words; its number in the query; f32, what 1 of
 * int16 stands for. Then the address of the turns, int16 `[TILE / 4][2][4][2]`: of each four tokens cosines and negative sines, then sines and
 * cosines; 0 for keys as given.
 */
const PAIR_BYTES: usize = 44;
export const PAIR_WIDTH: usize = 0;
export const PAIR_CODES: usize = 4;
export const PAIR_WORDS: usize = 8;
export const PAIR_QUERY: usize = 12;
export const PAIR_UNIT: usize = 16;
/** From one of a pair to the other. */
export const OTHER: usize = 20;
export const PAIR_TURNS: usize = 40;

/** Pair `index` of a coder. */
// @ts-ignore: decorator
@inline
export function pairOf(coder: usize, index: i32): usize {
  return load<usize>(coder + PAIR_LIST) + <usize>index * PAIR_BYTES;
}

// @ts-ignore: decorator
@inline
export function isTransformed(tensor: usize): bool {
  return load<usize>(tensor + CODERS) !== 0;
}

// @ts-ignore: decorator
@inline
export function coderOf(tensor: usize, head: i32): usize {
  return load<usize>(tensor + CODERS) + <usize>head * CODER_BYTES;
}

// @ts-ignore: decorator
@inline
export function part(coder: usize, offset: usize): i32 {
  return load<i32>(coder + offset);
}

/** Channel `index` of a coder. */
// @ts-ignore: decorator
@inline
export function channelOf(coder: usize, index: i32): usize {
  return load<usize>(coder + CHANNEL_LIST) + <usize>index * CHANNEL_BYTES;
}

/** Bits `bits` of the codes of token `token`, in a plane. */
// @ts-ignore: decorator
@inline
function planeCode(plane: usize, bits: i32, token: i32): i32 {
  const group = token >> 4;
  const perByte = 8 / bits;
  const byte = <i32>load<u8>(plane + <usize>((group / perByte) * 16 + (token & 15)));
  return (byte >> (bits * (group % perByte))) & ((1 << bits) - 1);
}

/** Code of one token of a channel of `width` bits. */
export function codeOf(codes: usize, width: i32, token: i32): i32 {
  let code = 0;
  let shift = 0;
  for (let left = width; left > 0; ) {
    const bits = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    code |= planeCode(codes, bits, token) << shift;
    codes += <usize>(bits * (TILE / 8));
    shift += bits;
    left -= bits;
  }
  return code;
}

/** Record of one KV head and tile. */
// @ts-ignore: decorator
@inline
export function coderRecord(tensor: usize, coder: usize, tile: i32): usize {
  return load<usize>(load<usize>(tensor + RECORDS) + (<usize>tile << 2)) + <usize>part(coder, RECORD);
}
