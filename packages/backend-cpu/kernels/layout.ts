/**
 * Where things are. One layer's record in memory is written by `src/wasm/layer-record.ts`; all fields are i32.
 *
 * Codes are in panels of 16 outputs. Keys: the outputs are tokens and k counts channels. Values: the outputs are channels
 * and k counts the tokens of the tile. Output `o` is in output group `o / 4` and lane `o % 4` of i32 lanes. The four bytes of
 * a lane are k, k + 2, k + 1 and k + 3, and codes of several output groups share a byte: masked as bytes they are four
 * factors of a dot product, masked as halves k and k + 1, and shifted k + 2 and k + 3. Codes of 8 bits are in halves of
 * k and k + 1. Codes of 5 and 6 bits are their lower 4 bits, and after those of 8 k their upper bits.
 */

/** Tokens of a tile: one record of codes and parameters of one KV head. */
export const TILE: i32 = 128;
/** Tokens of a page of 16-bit numbers, float16 `[kvHeads][PAGE][headSize]` of the tensor. */
export const PAGE: i32 = 32;

export const KV_HEADS: usize = 0;
/** Query heads of one KV head. */
export const HEADS: usize = 4;
/** First token that may be coded; records are counted from it. */
export const CODED_FROM: usize = 8;
/** f32: what a query's products with keys are multiplied by to be scores, times `log2(e)`. */
export const SCALE: usize = 12;
/** f32: largest magnitude of a score, times `log2(e)`; 0 where scores are not capped. */
export const SOFTCAP: usize = 16;
/** Newest tokens that a query reads, its own included. */
export const SPAN: usize = 20;
/** Address of f32 `[kvHeads][HEADS]`, logits of sinks times `log2(e)`; 0 where there are none. */
export const SINK_LOGITS: usize = 24;
/** Offsets of the fields of the keys and of the values. */
export const KEY: usize = 28;
export const VALUE: usize = 104;

/** Numbers of a key, or of a value. */
export const HEAD_SIZE: usize = 0;
export const BITS: usize = 4;
/** 1 on axis channel, 0 on axis token. */
export const CHANNEL: usize = 8;
/** Numbers of a group: channels on axis token, tokens on axis channel. */
export const GROUP_SIZE: usize = 12;
export const AFFINE: usize = 16;
/** 1 where numbers are rotated before they are coded, and queries and outputs with them. */
export const ROTATED: usize = 20;
/** Bytes of one KV head's record of a tile; offsets of its scales and minima, float16, group by group. */
export const RECORD_BYTES: usize = 24;
export const SCALES: usize = 28;
export const MINIMA: usize = 32;
/** Tables of pointers: records of all KV heads by tile, counted from {@link CODED_FROM}; pages by token / PAGE. */
export const RECORDS: usize = 36;
export const PAGES: usize = 40;
/** Address of what the codec `transform` needs of each KV head (`transform-table.ts`); 0 for other codecs. */
export const CODERS: usize = 44;
/** Address of the signs before the Hadamard transform, f32 `[kvHeads][HEAD_SIZE]`; 0 where there are none. */
export const SIGNS: usize = 48;
/** Address of the rotations by a table, f32 `[kvHeads][HEAD_SIZE][HEAD_SIZE]`; 0 for the Hadamard transform. */
export const TABLE: usize = 52;
/**
 * Where parameters are in two levels, offsets in a record of the units of scales and of minima, float16: of each block that the tile
 * has tokens of, and on axis channel of each channel. 0 for parameters in float16.
 */
export const SCALE_UNITS: usize = 56;
export const MINIMUM_UNITS: usize = 60;
/** Tokens that share units, or a scale of float8. */
export const BLOCK: usize = 64;
/** Codes that are floats of 8 bits, `[TILE][HEAD_SIZE]` in a record: 1 for e4m3, 2 for e5m2; 0 for other codes. */
export const FLOAT8: usize = 68;
/** Address of the fixed scales of float8, f32 `[kvHeads]`; 0 where each {@link BLOCK} stores one. */
export const FIXED_SCALES: usize = 72;

// @ts-ignore: decorator
@inline
export function field(tensor: usize, offset: usize): i32 {
  return load<i32>(tensor + offset);
}

// @ts-ignore: decorator
@inline
export function floatField(layer: usize, offset: usize): f32 {
  return load<f32>(layer + offset);
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

/** What a unit of each output group is multiplied by to be a code: f32 `[bits][4]` for 1 to 4 bits and for more; then for bytes, from 2 bits. */
// prettier-ignore
const UNIT_FACTORS = memory.data<f32>([
  1, 0.5, 0.25, 0.125,
  1, 0.25, 0.0625, 0.015625,
  1, 0.125, 1, 1,
  1, 0.0625, 1, 0.0625,
  1, 1, 1, 1,
  1, 0.25, 0.0625, 1,
  1, 0.125, 1, 1,
  1, 1, 1, 1,
], 16);

/** Whether panels of `bits` bits are multiplied as bytes; factors are then split, see `split-factors.ts`. */
// @ts-ignore: decorator
@inline
export function multipliesBytes(bits: i32): bool {
  // @ts-ignore: the build defines it
  if (DOT_PRODUCTS) return bits > 1 && bits < 5;
  return false;
}

/** Address of four f32, one an output group. */
export function unitFactors(bits: i32): usize {
  const row = multipliesBytes(bits) ? bits + 3 : min(bits, 5) - 1;
  return UNIT_FACTORS + (<usize>row << 4);
}

/** What of a factor the lower byte holds, in bits; the sign counts. */
export const LOWER_BITS: i32 = 7;
/** Largest factor whose upper byte is one. */
const LARGEST_SPLIT: i32 = (127 << LOWER_BITS) + 63;

/** Largest |x| for which a panel of `count` k cannot overflow. */
export function largestFactor(bits: i32, count: i32): i32 {
  const unit = bits === 4 ? 240 : bits === 2 ? 192 : bits === 3 ? 56 : bits === 1 ? 8 : 255;
  return min<i32>(multipliesBytes(bits) ? LARGEST_SPLIT : 32767, i32.MAX_VALUE / (count * unit));
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
  if (bits === 5 || bits === 6) return writeParts(bits, panel, output, k, code);
  const cell = cellOf(bits, panel, output, k);
  if (bits === 8) return store<u8>(cell, code);
  const shift = shiftOf(bits, output, k);
  const mask = ((1 << bits) - 1) << shift;
  store<u16>(cell, (load<u16>(cell) & ~mask) | (code << shift));
}

/** Reads what {@link writeCode} wrote. */
export function readCode(bits: i32, panel: usize, output: i32, k: i32): i32 {
  if (bits === 3) return readTriple(panel, output, k);
  if (bits === 5 || bits === 6) return readParts(bits, panel, output, k);
  const cell = cellOf(bits, panel, output, k);
  if (bits === 8) return load<u8>(cell);
  return (<i32>load<u16>(cell) >> shiftOf(bits, output, k)) & ((1 << bits) - 1);
}

/** The i16 that a code is in, of those that are in one. */
function cellOf(bits: i32, panel: usize, output: i32, k: i32): usize {
  const lane = laneOf(output, k);
  const group = output >> 2;
  if (bits === 4) return panel + ((k >> 2) << 5) + ((group >> 1) << 4) + lane;
  if (bits === 2) return panel + ((k >> 2) << 4) + lane;
  if (bits === 1) return panel + ((k >> 3) << 4) + lane;
  return panel + ((k >> 1) << 5) + ((group >> 1) << 4) + lane + (group & 1);
}

// @ts-ignore: decorator
@inline
function laneOf(output: i32, k: i32): usize {
  return ((output & 3) << 2) + ((k & 1) << 1);
}

/** Bits that the byte of k is up in its i16. */
// @ts-ignore: decorator
@inline
function byteShift(k: i32): i32 {
  return (k & 2) << 2;
}

function shiftOf(bits: i32, output: i32, k: i32): i32 {
  const group = output >> 2;
  if (bits === 1) return byteShift(k) + (k & 4) + group;
  return byteShift(k) + (bits === 4 ? (group & 1) << 2 : group << 1);
}

/** Bytes of 16 outputs by 8 k. */
// @ts-ignore: decorator
@inline
function turnOf(bits: i32, panel: usize, k: i32): usize {
  return panel + <usize>((k >> 3) * 16 * bits);
}

/** Four v128 of 4 bits, as of codes of 4 bits; then one v128 of single bits, or two of 2 bits, one a half of the outputs. */
function writeParts(bits: i32, panel: usize, output: i32, k: i32, code: i32): void {
  const turn = turnOf(bits, panel, k);
  writeBits(cellOf(4, turn, output, k & 7), shiftOf(4, output, k), 15, code & 15);
  writeBits(upperCell(bits, turn, output, k), upperShift(bits, output, k), bits === 5 ? 1 : 3, code >> 4);
}

function readParts(bits: i32, panel: usize, output: i32, k: i32): i32 {
  const turn = turnOf(bits, panel, k);
  const lower = (<i32>load<u16>(cellOf(4, turn, output, k & 7)) >> shiftOf(4, output, k)) & 15;
  const upper = <i32>load<u16>(upperCell(bits, turn, output, k)) >> upperShift(bits, output, k);
  return lower | ((upper & (bits === 5 ? 1 : 3)) << 4);
}

function upperCell(bits: i32, turn: usize, output: i32, k: i32): usize {
  return turn + 64 + laneOf(output, k) + (bits === 6 ? <usize>(output >> 3) << 4 : 0);
}

/** In a byte of upper bits come first the output groups of a half, then the second four k, and of single bits the second half. */
function upperShift(bits: i32, output: i32, k: i32): i32 {
  const place = ((k & 4) >> 1) + ((output >> 2) & 1);
  return byteShift(k) + (bits === 6 ? 2 * place : place + ((output >> 3) << 2));
}

/**
 * Three v128 are 16 outputs by 8 k. The first two have 4 k each: output group 0 in bits 0 to 2 of a byte, group 1 above it,
 * and the two lower bits of group 3. The third has group 2, of the first k below those of the others, and on top the upper
 * bits of group 3.
 */
function writeTriple(panel: usize, output: i32, k: i32, code: i32): void {
  const cell = panel + (k >> 3) * 48 + laneOf(output, k);
  const group = output >> 2;
  const four = (k >> 2) & 1;
  const shift = byteShift(k);
  if (group < 2) return writeBits(cell + (four << 4), shift + 3 * group, 7, code);
  if (group === 2) return writeBits(cell + 32, shift + 3 * four, 7, code);
  writeBits(cell + (four << 4), shift + 6, 3, code & 3);
  writeBits(cell + 32, shift + 6 + four, 1, code >> 2);
}

function writeBits(cell: usize, shift: i32, mask: i32, code: i32): void {
  store<u16>(cell, (load<u16>(cell) & ~(mask << shift)) | (code << shift));
}

function readTriple(panel: usize, output: i32, k: i32): i32 {
  const cell = panel + (k >> 3) * 48 + laneOf(output, k);
  const group = output >> 2;
  const four = (k >> 2) & 1;
  const shift = byteShift(k);
  if (group < 2) return (<i32>load<u16>(cell + (four << 4)) >> (shift + 3 * group)) & 7;
  if (group === 2) return (<i32>load<u16>(cell, 32) >> (shift + 3 * four)) & 7;
  const lower = (<i32>load<u16>(cell + (four << 4)) >> (shift + 6)) & 3;
  return lower | (((<i32>load<u16>(cell, 32) >> (shift + 6 + four)) & 1) << 2);
}

/** Panel of one number of a record, and its output and k. */
// @ts-ignore: decorator
@inline
export function panelOf(record: usize, bits: i32, outputs: i32, count: i32): usize {
  return record + <usize>((outputs >> 4) * 2 * count * bits);
}
