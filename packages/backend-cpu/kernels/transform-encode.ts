import { CODED_FROM, field, HEAD_SIZE, KEY, KV_HEADS, rowOf, TILE, VALUE } from "./layout";
import { chooseCodes } from "./transform-codes";
import { address, CHANNEL_LIST, channelIn, CHANNELS, CODES, codes, encoderOf, layOutToken, PAIRS, WIDTH } from "./transform-encoder";
import { toChannels } from "./transform-forward";
import { coderOf, coderRecord, GAINS, LOG_GAINS, NO_GAINS, part } from "./transform-table";

/**
 * Encodes tokens `from .. to - 1` of one tile, counted from the first that may be coded, from their pages: `encodeToken` of
 * `@kvtuner/quantizers`, and bit for bit its codes. `scratch` begins with the cosines and then the sines of the tokens' positions, f32
 * `[tokens][pairs]`, and has space for f32 `[TILE][headSize]` and the arrays of a token (`transform-encoder.ts`).
 */
export function encodeTransform(layer: usize, isValue: i32, encoders: usize, from: i32, to: i32, scratch: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const headSize = field(tensor, HEAD_SIZE);
  layOutToken(scratch + (<usize>(TILE * headSize) << 2), headSize);
  for (let head = 0; head < field(layer, KV_HEADS); head++) {
    const encoder = encoderOf(encoders, head);
    const coder = coderOf(tensor, head);
    const record = coderRecord(tensor, coder, from / TILE);
    const step = <usize>part(encoder, PAIRS) << 2;
    let cosines = scratch;
    let sines = scratch + <usize>(to - from) * step;
    for (let token = from; token < to; token++) {
      const row = rowOf(tensor, head, token + field(layer, CODED_FROM), headSize);
      toChannels(encoder, row, headSize, cosines, sines);
      storeToken(encoder, part(coder, GAINS), record, token & (TILE - 1), chooseCodes(encoder));
      cosines += step;
      sines += step;
    }
  }
}

function storeToken(encoder: usize, gains: i32, record: usize, place: i32, gain: i32): void {
  if (gains === LOG_GAINS) storePlane(record, 4, place, gain);
  else if (gains !== NO_GAINS) store<u16>(record + (<usize>place << 1), gain);
  let channel = address(encoder, CHANNEL_LIST);
  const end = channelIn(channel, part(encoder, CHANNELS));
  for (let at = codes; channel < end; at += 2) {
    storeCode(record + address(channel, CODES), part(channel, WIDTH), place, load<u16>(at));
    channel = channelIn(channel, 1);
  }
}

/** In planes of 8, 4, 2 and 1 bits; `transform-table.ts`. */
function storeCode(plane: usize, width: i32, place: i32, code: i32): void {
  for (; width >= 8; width -= 8) {
    store<u8>(plane + <usize>place, code);
    plane += TILE;
    code >>= 8;
  }
  if (width & 4) {
    storePlane(plane, 4, place, code & 15);
    plane += TILE / 2;
    code >>= 4;
  }
  if (width & 2) {
    storePlane(plane, 2, place, code & 3);
    plane += TILE / 4;
    code >>= 2;
  }
  if (width & 1) storePlane(plane, 1, place, code);
}

// @ts-ignore: decorator
@inline
function storePlane(plane: usize, bits: i32, place: i32, code: i32): void {
  const group = place >> 4;
  const perByte = 8 / bits;
  const at = plane + <usize>((group / perByte) * 16 + (place & 15));
  const shift = bits * (group % perByte);
  store<u8>(at, (<i32>load<u8>(at) & ~(((1 << bits) - 1) << shift)) | (code << shift));
}
