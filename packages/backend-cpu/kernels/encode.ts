import { halfOf, loadHalf, loadRow, storeHalves } from "./float16";
import { hadamard } from "./hadamard";
import {
  AFFINE,
  BITS,
  CHANNEL,
  CODED_FROM,
  codeOffset,
  field,
  GROUP_SIZE,
  ROTATED,
  HEAD_SIZE,
  KEY,
  KV_HEADS,
  MINIMA,
  panelOf,
  readCode,
  recordOf,
  rowOf,
  SCALES,
  TILE,
  VALUE,
  writeCode,
} from "./layout";

/**
 * Rounds `count` tokens, f32 `[count][kvHeads][headSize]`, into the pages of a tensor from token `start` on.
 */
export function appendExact(layer: usize, tensor: usize, start: i32, count: i32, from: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  const kvHeads = field(layer, KV_HEADS);
  for (let token = start; token < start + count; token++)
    for (let head = 0; head < kvHeads; head++) {
      storeHalves(from, rowOf(tensor, head, token, headSize), headSize);
      from += <usize>headSize << 2;
    }
}

/**
 * Encodes tokens `from .. to - 1`, counted from the first that may be coded and whole blocks, from the pages, with the
 * arithmetic of `encodeBlock` of `@kvtuner/quantizers`. `scratch` has space for a tile of f32 `[TILE][headSize]`.
 */
export function encode(layer: usize, isValue: i32, from: i32, to: i32, scratch: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const kvHeads = field(layer, KV_HEADS);
  const step = field(tensor, CHANNEL) ? field(tensor, GROUP_SIZE) : 1;
  for (let token = from; token < to; token += step)
    for (let head = 0; head < kvHeads; head++)
      if (step > 1) encodeColumns(layer, tensor, head, token, scratch);
      else encodeToken(layer, tensor, isValue, head, token, scratch);
}

function loadToken(layer: usize, tensor: usize, head: i32, token: i32, to: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  loadRow(rowOf(tensor, head, token + field(layer, CODED_FROM), headSize), to, headSize);
  if (field(tensor, ROTATED)) hadamard(to, headSize);
}

function encodeToken(layer: usize, tensor: usize, isValue: i32, head: i32, token: i32, row: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  const groupSize = field(tensor, GROUP_SIZE);
  const record = recordOf(tensor, head, token / TILE);
  const place = token & (TILE - 1);
  loadToken(layer, tensor, head, token, row);
  for (let channel = 0, group = 0; channel < headSize; channel += groupSize, group++) {
    const count = min(groupSize, headSize - channel);
    const numbers = row + (<usize>channel << 2);
    fit(tensor, numbers, count, 4);
    storeParameters(tensor, record, group * TILE + place);
    for (let index = 0; index < count; index++) {
      const code = codeOf(load<f32>(numbers + (<usize>index << 2)));
      if (isValue) putValue(tensor, record, place, channel + index, code);
      else putKey(tensor, record, place, channel + index, headSize, code);
    }
  }
}

/** Axis channel, keys: a group is `groupSize` tokens of one channel. */
function encodeColumns(layer: usize, tensor: usize, head: i32, token: i32, rows: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  const groupSize = field(tensor, GROUP_SIZE);
  const record = recordOf(tensor, head, token / TILE);
  const place = token & (TILE - 1);
  const stride = <usize>headSize << 2;
  for (let index = 0; index < groupSize; index++)
    loadToken(layer, tensor, head, token + index, rows + <usize>index * stride);
  for (let channel = 0; channel < headSize; channel++) {
    const column = rows + (<usize>channel << 2);
    fit(tensor, column, groupSize, stride);
    storeParameters(tensor, record, (place / groupSize) * headSize + channel);
    for (let index = 0; index < groupSize; index++)
      putKey(tensor, record, place + index, channel, headSize, codeOf(load<f32>(column + <usize>index * stride)));
  }
}

// @ts-ignore: decorator
@inline
function putKey(tensor: usize, record: usize, place: i32, channel: i32, headSize: i32, code: i32): void {
  const bits = field(tensor, BITS);
  writeCode(bits, panelOf(record, bits, place, headSize), place & 15, channel, code);
}

// @ts-ignore: decorator
@inline
function putValue(tensor: usize, record: usize, place: i32, channel: i32, code: i32): void {
  const bits = field(tensor, BITS);
  writeCode(bits, panelOf(record, bits, channel, TILE), channel & 15, place, code);
}

/** Bits of 65504. */
const LARGEST_HALF: u32 = 0x7bff;

let scale: f32 = 0;
let minimum: f32 = 0;
let scaleHalf: u32 = 0;
let minimumHalf: u32 = 0;
let lowest: f32 = 0;
let highest: f32 = 0;

/** Fits scale and minimum to `count` f32, `stride` bytes apart. */
function fit(tensor: usize, at: usize, count: i32, stride: usize): void {
  let smallest = load<f32>(at);
  let largest = smallest;
  for (let index = 1; index < count; index++) {
    at += stride;
    const x = load<f32>(at);
    if (x < smallest) smallest = x;
    else if (x > largest) largest = x;
  }
  const bits = field(tensor, BITS);
  const affine = field(tensor, AFFINE);
  highest = <f32>(affine ? (1 << bits) - 1 : (1 << (bits - 1)) - 1);
  lowest = affine ? 0 : -highest;
  // A single step, of 1 bit, can exceed float16.
  scaleHalf = min(LARGEST_HALF, halfOf((affine ? largest - smallest : max(largest, -smallest)) / highest));
  minimumHalf = affine ? halfOf(smallest) : 0;
  scale = numberOf(scaleHalf);
  minimum = numberOf(minimumHalf);
}

function numberOf(half: u32): f32 {
  const magnitude = reinterpret<f32>((half & 0x7fff) << 13) * reinterpret<f32>(0x77800000);
  return half & 0x8000 ? -magnitude : magnitude;
}

function storeParameters(tensor: usize, record: usize, index: i32): void {
  store<u16>(record + field(tensor, SCALES) + (<usize>index << 1), scaleHalf);
  if (field(tensor, AFFINE)) store<u16>(record + field(tensor, MINIMA) + (<usize>index << 1), minimumHalf);
}

/** Code of one number as stored: not negative. */
function codeOf(x: f32): i32 {
  if (scale === 0) return <i32>-lowest;
  const code = nearest((x - minimum) / scale);
  return <i32>(max(lowest, min(highest, code)) - lowest);
}

/**
 * Decodes tokens `from .. to - 1`, counted as in {@link encode}, into the pages, rounded to float16. `scratch` has space for one row.
 */
export function decode(layer: usize, isValue: i32, from: i32, to: i32, scratch: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const kvHeads = field(layer, KV_HEADS);
  const headSize = field(tensor, HEAD_SIZE);
  for (let token = from; token < to; token++)
    for (let head = 0; head < kvHeads; head++) {
      decodeToken(layer, tensor, isValue, head, token, scratch);
      clampToHalves(scratch, headSize);
      storeHalves(scratch, rowOf(tensor, head, token + field(layer, CODED_FROM), headSize), headSize);
    }
}

/** What a decoded number has beyond the largest float16 is cut off: a cache holds no infinity. */
function clampToHalves(row: usize, count: i32): void {
  for (let at = row; at < row + (<usize>count << 2); at += 16)
    v128.store(at, f32x4.pmax(f32x4.splat(-65504), f32x4.pmin(f32x4.splat(65504), v128.load(at))));
}

function decodeToken(layer: usize, tensor: usize, isValue: i32, head: i32, token: i32, row: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  const record = recordOf(tensor, head, token / TILE);
  const place = token & (TILE - 1);
  const offset = codeOffset(tensor);
  for (let channel = 0; channel < headSize; channel++) {
    const parameters = parametersOf(tensor, place, channel, headSize);
    const code = codeAt(tensor, isValue, record, place, channel, headSize) - offset;
    const product = <f32>code * loadHalf(record + field(tensor, SCALES) + parameters);
    const number = field(tensor, AFFINE) ? product + loadHalf(record + field(tensor, MINIMA) + parameters) : product + 0;
    store<f32>(row + (<usize>channel << 2), number);
  }
  if (field(tensor, ROTATED)) hadamard(row, headSize);
}

/** Offset in bytes of a number's parameters among the scales, or the minima, of a record. */
function parametersOf(tensor: usize, place: i32, channel: i32, headSize: i32): usize {
  const groupSize = field(tensor, GROUP_SIZE);
  const index = field(tensor, CHANNEL) ? (place / groupSize) * headSize + channel : (channel / groupSize) * TILE + place;
  return <usize>index << 1;
}

/** Stored code of a number of a record. */
function codeAt(tensor: usize, isValue: i32, record: usize, place: i32, channel: i32, headSize: i32): i32 {
  const bits = field(tensor, BITS);
  if (isValue) return readCode(bits, panelOf(record, bits, channel, TILE), channel & 15, place);
  return readCode(bits, panelOf(record, bits, place, headSize), place & 15, channel);
}

/**
 * Codes of tokens `from .. to - 1`, counted as in {@link encode}, of one tile, one a byte, in the order of `EncodedBlock`: token by
 * token on axis token; on axis channel group by group of tokens, and channel by channel in it.
 */
export function readCodes(layer: usize, isValue: i32, head: i32, from: i32, to: i32, out: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const headSize = field(tensor, HEAD_SIZE);
  const record = recordOf(tensor, head, from / TILE);
  const rows = field(tensor, CHANNEL) ? field(tensor, GROUP_SIZE) : 1;
  for (let first = from; first < to; first += rows)
    for (let channel = 0; channel < headSize; channel++)
      for (let row = 0; row < rows; row++) {
        const place = (first + row) & (TILE - 1);
        store<u8>(out, codeAt(tensor, isValue, record, place, channel, headSize));
        out++;
      }
}

/** Stores what {@link readCodes} read. */
export function writeCodes(layer: usize, isValue: i32, head: i32, from: i32, to: i32, codes: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const headSize = field(tensor, HEAD_SIZE);
  const record = recordOf(tensor, head, from / TILE);
  const rows = field(tensor, CHANNEL) ? field(tensor, GROUP_SIZE) : 1;
  for (let first = from; first < to; first += rows)
    for (let channel = 0; channel < headSize; channel++)
      for (let row = 0; row < rows; row++) {
        const place = (first + row) & (TILE - 1);
        const code = <i32>load<u8>(codes);
        if (isValue) putValue(tensor, record, place, channel, code);
        else putKey(tensor, record, place, channel, headSize, code);
        codes++;
      }
}

/**
 * Tokens `from .. to - 1` as they are read, rounded to float16: f32 `[tokens][kvHeads][headSize]`. Of the tokens that may be
 * coded, the first `coded` are.
 */
export function readRows(layer: usize, isValue: i32, coded: i32, from: i32, to: i32, out: usize, scratch: usize): void {
  const tensor = layer + (isValue ? VALUE : KEY);
  const kvHeads = field(layer, KV_HEADS);
  const headSize = field(tensor, HEAD_SIZE);
  const codedFrom = field(layer, CODED_FROM);
  for (let token = from; token < to; token++)
    for (let head = 0; head < kvHeads; head++) {
      if (token >= codedFrom && token < codedFrom + coded) {
        decodeToken(layer, tensor, isValue, head, token - codedFrom, out);
        clampToHalves(out, headSize);
        storeHalves(out, scratch, headSize);
        loadRow(scratch, out, headSize);
      } else loadRow(rowOf(tensor, head, token, headSize), out, headSize);
      out += <usize>headSize << 2;
    }
}
