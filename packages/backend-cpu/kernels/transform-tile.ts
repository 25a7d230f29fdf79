import { field, HEAD_SIZE, KEY, TILE, VALUE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { keyTile, scales, spareTile, valueTile } from "./row-state";
import { loadGains } from "./transform-gains";
import { firstOf, ROPE_PAIRS, secondOf, turnsOf } from "./transform-rope";
import {
  CHANNELS,
  channelOf,
  codeOf,
  coderOf,
  coderRecord,
  CODES,
  DECODES_WORDS,
  LEVELS,
  MATRIX,
  MEAN,
  part,
  PLACE,
  ROPE,
  WIDTH,
} from "./transform-table";

import { decodeKeyWords } from "./transform-word-keys";
import { decodeValueWords } from "./transform-word-values";

const ROW_BYTES: usize = <usize>TILE << 2;

/** Decodes the first `count` keys of a tile, as int16 where that will do. */
export function decodeKeys(layer: usize, head: i32, tile: i32, count: i32): void {
  const key = layer + KEY;
  const coder = coderOf(key, head);
  if (part(coder, DECODES_WORDS)) decodeKeyWords(coder, coderRecord(key, coder, tile), count);
  else decodeKeyFloats(layer, head, tile, count);
}

/**
 * Decodes the first `count` keys of a tile, rounded up to a multiple of 8, into `keyTile`: channels of keys as given, or numbers of keys
 * before RoPE, turned by their places in the tile.
 */
export function decodeKeyFloats(layer: usize, head: i32, tile: i32, count: i32): void {
  const key = layer + KEY;
  const coder = coderOf(key, head);
  const record = coderRecord(key, coder, tile);
  loadGains(coder, record, count, scales);
  if (!part(coder, ROPE)) return decodeChannels(coder, record, count, keyTile, false);
  const headSize = field(key, HEAD_SIZE);
  fillMean(<usize>part(coder, MEAN), headSize, count);
  if (part(coder, MATRIX)) {
    decodeChannels(coder, record, count, spareTile, false);
    mixChannels(coder, headSize, count);
  } else decodeChannels(coder, record, count, keyTile, true);
  turnTile(<usize>part(coder, ROPE), count);
}

/** Values of a tile that have to be decoded before any are added; 0 where they are. */
let expected: i32 = 0;

/** Before a tile: how many of its values {@link decodeValues} is to decode. */
export function expectValues(count: i32): void {
  expected = count;
}

/** Decodes the channels of the expected values of a tile, unless they are, into `valueWords` or `valueTile`. */
export function decodeValues(layer: usize, head: i32, tile: i32): void {
  const count = expected;
  expected = 0;
  if (count === 0) return;
  const coder = coderOf(layer + VALUE, head);
  const record = coderRecord(layer + VALUE, coder, tile);
  if (part(coder, DECODES_WORDS)) return decodeValueWords(coder, record, count);
  loadGains(coder, record, count, scales);
  decodeChannels(coder, record, count, valueTile, false);
}

/** Decodes each channel into its row of a tile, or adds it to the row of its number. */
function decodeChannels(coder: usize, record: usize, count: i32, rows: usize, adds: bool): void {
  const steps = (count + 7) & ~7;
  for (let index = 0; index < part(coder, CHANNELS); index++) {
    const channel = channelOf(coder, index);
    const width = part(channel, WIDTH);
    const codes = record + <usize>part(channel, CODES);
    const levels = <usize>part(channel, LEVELS);
    const to = rows + <usize>(adds ? part(channel, PLACE) : index) * ROW_BYTES;
    for (let token = 0; token < steps; token++) {
      const at = to + (<usize>token << 2);
      const before: f32 = adds ? load<f32>(at) : 0;
      const number: f32 = token < count ? load<f32>(scales + (<usize>token << 2)) * levelOf(width, levels, codeOf(codes, width, token)) : 0;
      store<f32>(at, before + number);
    }
  }
}

/** What a code stands for at gain 1; of 16 bits, a float16 times a factor. */
// @ts-ignore: decorator
@inline
function levelOf(width: i32, levels: usize, code: i32): f32 {
  if (width !== 16) return load<f32>(levels + (<usize>code << 2));
  const magnitude = reinterpret<f32>((code & 0x7fff) << 13) * reinterpret<f32>(0x77800000);
  return (code & 0x8000 ? -magnitude : magnitude) * load<f32>(levels);
}

/** Fills the rows of `keyTile` with the mean. */
function fillMean(mean: usize, headSize: i32, count: i32): void {
  for (let index = 0; index < headSize; index++) {
    const number = f32x4.splat(mean ? load<f32>(mean + (<usize>index << 2)) : 0);
    const to = keyTile + <usize>index * ROW_BYTES;
    for (let token: usize = 0; token < <usize>count; token += 4) v128.store(to + (token << 2), number);
  }
}

/** Adds the rows of `spareTile`, multiplied by the matrix, to those of `keyTile`. */
function mixChannels(coder: usize, headSize: i32, count: i32): void {
  const end = <usize>count << 2;
  for (let index = 0; index < part(coder, CHANNELS); index++) {
    const from = spareTile + <usize>index * ROW_BYTES;
    for (let row = 0; row < headSize; row++) {
      const factor = v128.load32_splat(<usize>part(coder, MATRIX) + (<usize>(index * headSize + row) << 2));
      const to = keyTile + <usize>row * ROW_BYTES;
      for (let at: usize = 0; at < end; at += 16)
        v128.store(to + at, multiplyAdd(v128.load(from + at), factor, v128.load(to + at)));
    }
  }
}

/** Turns the pairs of `keyTile` by the places of the tokens. */
function turnTile(rope: usize, count: i32): void {
  for (let pair = 0; pair < part(rope, ROPE_PAIRS); pair++) {
    const one = keyTile + <usize>firstOf(rope, pair) * ROW_BYTES;
    const other = keyTile + <usize>secondOf(rope, pair) * ROW_BYTES;
    const turns = turnsOf(rope, pair);
    for (let at: usize = 0; at < <usize>count << 2; at += 16) {
      const a = v128.load(one + at);
      const b = v128.load(other + at);
      const cosines = v128.load(turns + at);
      const sines = v128.load(turns + ROW_BYTES + at);
      v128.store(one + at, f32x4.sub(f32x4.mul(a, cosines), f32x4.mul(b, sines)));
      v128.store(other + at, multiplyAdd(a, sines, f32x4.mul(b, cosines)));
    }
  }
}
