/**
 * Where things are. One layer's record in memory is written by `src/wasm/layer-record.ts`; all fields are i32.
 *
 * Codes are in panels of 16 outputs. Keys: the outputs are tokens and k counts channels. Values: the outputs are channels
 * and k counts the tokens of the tile. Output `o` is in output group `o / 4` and lane `o % 4` of i32 lanes; the halves of
 * a lane are k and k + 1; codes of several output groups share an i16.
 */

/** Tokens of a tile: one record of codes and parameters of one KV head. */
export const TILE: i32 = 128;
/** Tokens of a page of 16-bit numbers, float16 `[kvHeads][PAGE][headSize]`. */
export const PAGE: i32 = 32;

export const KV_HEADS: usize = 0;
/** Query heads of one KV head. */
export const HEADS: usize = 4;
export const HEAD_SIZE: usize = 8;
export const SINKS: usize = 12;
export const WINDOW: usize = 16;
/** Offsets of the fields of the keys and of the values. */
export const KEY: usize = 32;
export const VALUE: usize = 96;

export const BITS: usize = 0;
/** 1 on axis channel, 0 on axis token. */
export const CHANNEL: usize = 4;
/** Numbers of a group: channels on axis token, tokens on axis channel. */
export const GROUP_SIZE: usize = 8;
export const AFFINE: usize = 12;
export const HADAMARD: usize = 16;
export const BLOCK: usize = 20;
/** Bytes of one KV head's record of a tile; offsets of its scales and minima, float16, group by group. */
export const RECORD_BYTES: usize = 24;
export const SCALES: usize = 28;
export const MINIMA: usize = 32;
/** Tables of pointers: records of all KV heads by tile, counted behind the sinks; pages by token / PAGE. */
export const RECORDS: usize = 36;
export const PAGES: usize = 40;

// @ts-ignore: decorator
@inline
export function field(tensor: usize, offset: usize): i32 {
  return load<i32>(tensor + offset);
}

/** Record of one KV head and tile. */
// @ts-ignore: decorator
@inline
export function recordOf(tensor: usize, head: i32, tile: i32): usize {
  return load<usize>(load<usize>(tensor + RECORDS) + (<usize>tile << 2)) + <usize>(head * field(tensor, RECORD_BYTES));
}

/** Float16 row of one KV head and token. */
// @ts-ignore: decorator
@inline
export function rowOf(tensor: usize, head: i32, token: i32, headSize: i32): usize {
  const page = load<usize>(load<usize>(tensor + PAGES) + (<usize>(token / PAGE) << 2));
  return page + 2 * <usize>((head * PAGE + (token & (PAGE - 1))) * headSize);
}

/** Tokens behind the sinks that a cache of `length` tokens reads decoded. */
export function quantizedPrefix(layer: usize, tensor: usize, length: i32): i32 {
  if (field(tensor, BITS) === 16) return 0;
  const rest = length - field(layer, SINKS) - field(layer, WINDOW);
  const block = field(tensor, BLOCK);
  return rest > 0 ? (rest / block) * block : 0;
}

/** What a unit of each output group is multiplied by to be a code: f32 `[bits][4]` for 2, 3, 4 and 8 bits. */
// prettier-ignore
const UNIT_FACTORS = memory.data<f32>([
  1, 0.25, 0.0625, 0.015625,
  1, 0.125, 0.015625, 1,
  1, 0.0625, 1, 0.0625,
  1, 1, 1, 1,
], 16);

/** Address of four f32, one an output group. */
export function unitFactors(bits: i32): usize {
  return UNIT_FACTORS + (<usize>(bits === 8 ? 3 : bits - 2) << 4);
}

/** Largest |x| for which a panel of `count` k cannot overflow. */
export function largestFactor(bits: i32, count: i32): i32 {
  const unit = bits === 4 ? 240 : bits === 2 ? 192 : bits === 3 ? 448 : 255;
  return min<i32>(32767, i32.MAX_VALUE / (count * unit));
}

/**
 * The code that a group's codes are about on average; see `roundFactors`. Off it, the errors of all channels have one sign,
 * which the Hadamard transform would gather in a single one.
 */
export function middleCode(tensor: usize): f32 {
  return field(tensor, AFFINE) ? <f32>((1 << field(tensor, BITS)) - 1) * 0.5 : <f32>codeOffset(tensor);
}

/** What symmetric codes are stored above; 0 for affine ones. */
export function codeOffset(tensor: usize): i32 {
  return field(tensor, AFFINE) ? 0 : (1 << (field(tensor, BITS) - 1)) - 1;
}

/** Panel of a key's token or a value's channel, and the place in it. */
export function writeCode(bits: i32, panel: usize, output: i32, k: i32, code: i32): void {
  if (bits === 3) return writeTriple(panel, output, k, code);
  const cell = cellOf(bits, panel, output, k);
  if (bits === 8) return store<u8>(cell, code);
  const shift = shiftOf(bits, output, k);
  const mask = ((1 << bits) - 1) << shift;
  store<u16>(cell, (load<u16>(cell) & ~mask) | (code << shift));
}

/** Reads what {@link writeCode} wrote. */
export function readCode(bits: i32, panel: usize, output: i32, k: i32): i32 {
  if (bits === 3) return readTriple(panel, output, k);
  const cell = cellOf(bits, panel, output, k);
  if (bits === 8) return load<u8>(cell);
  return (load<u16>(cell) >> shiftOf(bits, output, k)) & ((1 << bits) - 1);
}

function cellOf(bits: i32, panel: usize, output: i32, k: i32): usize {
  const lane = ((output & 3) << 2) + ((k & 1) << 1);
  const group = output >> 2;
  if (bits === 4) return panel + ((k >> 1) << 4) + lane;
  if (bits === 2) return panel + ((k >> 2) << 4) + lane;
  return panel + ((k >> 1) << 5) + ((group >> 1) << 4) + lane + (group & 1);
}

function shiftOf(bits: i32, output: i32, k: i32): i32 {
  const group = output >> 2;
  return bits === 4 ? group << 2 : (group << 1) + (((k >> 1) & 1) << 3);
}

/**
 * Place of a 3-bit code in its 48 bytes, `v128 * 16 + shift`, by `pair of k * 4 + output group`; -1 is the code made of
 * the three top bits. Groups 0, 1, 2 get the places with factors 1, 8, 64, group 3 what can be shifted to factor 1.
 */
// prettier-ignore
const PLACES = memory.data<i8>([
  0, 3, 6, 25,
  16, 19, 22, 41,
  32, 35, 38, 28,
  9, 12, -1, 44,
]);

function writeTriple(panel: usize, output: i32, k: i32, code: i32): void {
  const cell = panel + (k >> 3) * 48 + ((output & 3) << 2) + ((k & 1) << 1);
  const place = <i32>load<i8>(PLACES + ((((k >> 1) & 3) << 2) + (output >> 2)));
  if (place >= 0) return writeBits(cell + (place & 48), place & 15, 7, code);
  for (let bit = 0; bit < 3; bit++) writeBits(cell + (bit << 4), 15, 1, (code >> bit) & 1);
}

function writeBits(cell: usize, shift: i32, mask: i32, code: i32): void {
  store<u16>(cell, (load<u16>(cell) & ~(mask << shift)) | (code << shift));
}

function readTriple(panel: usize, output: i32, k: i32): i32 {
  const cell = panel + (k >> 3) * 48 + ((output & 3) << 2) + ((k & 1) << 1);
  const place = <i32>load<i8>(PLACES + ((((k >> 1) & 3) << 2) + (output >> 2)));
  if (place >= 0) return (load<u16>(cell + (place & 48)) >> (place & 15)) & 7;
  return (load<u16>(cell) >> 15) | ((load<u16>(cell, 16) >> 15) << 1) | ((load<u16>(cell, 32) >> 15) << 2);
}

/** Panel of one number of a record, and its output and k. */
// @ts-ignore: decorator
@inline
export function panelOf(record: usize, bits: i32, outputs: i32, count: i32): usize {
  return record + <usize>((outputs >> 4) * 2 * count * bits);
}
