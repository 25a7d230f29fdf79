import { addExact, prepareExactQuery, restoreOrder, scoreExact } from "./exact";
import { hadamard } from "./hadamard";
import { prepareKeyFactors, scoreRecord } from "./keys";
import {
  BITS,
  field,
  HADAMARD,
  HEAD_SIZE,
  HEADS,
  KEY,
  quantizedPrefix,
  recordOf,
  rowOf,
  SINKS,
  TILE,
  VALUE,
} from "./layout";
import { keyRows, layOut, rowStates, state, valueRows } from "./row-state";
import { scale, weighTile } from "./softmax";
import { addRecord } from "./values";

/** What all tiles that are left out may weigh together, relative to all others. */
const NEGLIGIBLE: f32 = 4e-5;
const LOG2_E: f64 = 1.4426950408889634;

/** Bytes of scratch that {@link attend} needs for `rows` rows. */
export function scratchBytes(layer: usize, rows: i32): usize {
  return layOut(layer, 0, rows);
}

/**
 * Causal attention of one KV head. Row `r` is the query at position `start + r`, whose token is in the cache already:
 * f32 `[G][headSize]` at `query + r * stride`; its output goes to `out + r * stride`.
 *
 * Tiles outside, rows inside: codes are read from memory once for all rows.
 */
export function attend(
  layer: usize,
  head: i32,
  start: i32,
  rows: i32,
  query: usize,
  out: usize,
  stride: usize,
  scratch: usize,
): void {
  layOut(layer, scratch, rows);
  const length = start + rows;
  const sinks = field(layer, SINKS);
  for (let row = 0; row < rows; row++) begin(layer, stateOf(row), query + <usize>row * stride);
  for (let first = 0; first < min(sinks, length); first += TILE)
    attendTile(layer, head, start, rows, first, min(TILE, sinks - first), -1);
  for (let first = sinks, tile = 0; first < length; first += TILE, tile++)
    attendTile(layer, head, start, rows, first, TILE, tile);
  for (let row = 0; row < rows; row++) finish(layer, stateOf(row), out + <usize>row * stride);
}

// @ts-ignore: decorator
@inline
function stateOf(row: i32): usize {
  return rowStates + <usize>row * state.sizeBytes;
}

function begin(layer: usize, row: usize, query: usize): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  const bytes = <usize>(heads * headSize) << 2;
  memory.copy(row + state.query, query, bytes);
  scale(row + state.query, heads * headSize, <f32>(LOG2_E / Math.sqrt(<f64>headSize)));
  memory.copy(row + state.rotated, row + state.query, bytes);
  if (field(layer + KEY, HADAMARD)) rotate(row + state.rotated, heads, headSize);
  prepareKeyFactors(layer, row);
  prepareExactQuery(row + state.query, heads * headSize);
  memory.fill(row + state.exact, 0, bytes);
  memory.fill(row + state.decoded, 0, bytes);
  for (let head: usize = 0; head < <usize>heads; head++) {
    store<f32>(row + state.largest + (head << 2), -1e30);
    store<f32>(row + state.total + (head << 2), 0);
  }
}

function rotate(vectors: usize, heads: i32, headSize: i32): void {
  for (let head = 0; head < heads; head++) hadamard(vectors + (<usize>(head * headSize) << 2), headSize);
}

/** `tile` is the number of the tile behind the sinks, -1 among them. The tile's tokens are `first .. first + size - 1`. */
function attendTile(layer: usize, head: i32, start: i32, rows: i32, first: i32, size: i32, tile: i32): void {
  const keyTokens = decodedIn(layer, layer + KEY, start + 1, tile);
  const valueTokens = decodedIn(layer, layer + VALUE, start + 1, tile);
  const present = min(size, start + rows - first);
  locateRows(layer, layer + KEY, head, first, keyTokens, present, keyRows);
  locateRows(layer, layer + VALUE, head, first, valueTokens, present, valueRows);
  for (let row = max(0, first - start); row < rows; row++) {
    const length = start + row + 1;
    attendRow(layer, head, stateOf(row), length, min(size, length - first), tile);
  }
}

/** Tokens of a tile that a cache of `length` tokens reads decoded. */
function decodedIn(layer: usize, tensor: usize, length: i32, tile: i32): i32 {
  if (tile < 0) return 0;
  return max(0, min(TILE, quantizedPrefix(layer, tensor, length) - tile * TILE));
}

/** Pointers of the exact rows `from .. to - 1` of a tile. */
function locateRows(layer: usize, tensor: usize, head: i32, first: i32, from: i32, to: i32, list: usize): void {
  const headSize = field(layer, HEAD_SIZE);
  for (let token = from; token < to; token++)
    store<usize>(list + (<usize>token << 2), rowOf(tensor, head, first + token, headSize));
}

function attendRow(layer: usize, head: i32, row: usize, length: i32, count: i32, tile: i32): void {
  const keyTokens = min(count, decodedIn(layer, layer + KEY, length, tile));
  const valueTokens = min(count, decodedIn(layer, layer + VALUE, length, tile));
  if (keyTokens > 0) scoreRecord(layer, recordOf(layer + KEY, head, tile), row, keyTokens);
  if (keyTokens < count) scoreExact(layer, row, keyTokens, count);
  // One tile of sinks and one that is not full come on top.
  const negligible = NEGLIGIBLE / <f32>(length / TILE + 3);
  const active = weighTile(layer, row, count, negligible, keyTokens === TILE);
  if (active === 0) return;
  if (valueTokens > 0) addRecord(layer, recordOf(layer + VALUE, head, tile), row, valueTokens, active);
  if (valueTokens < count) addExact(layer, row, valueTokens, count, active);
}

function finish(layer: usize, row: usize, out: usize): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  if (field(layer + VALUE, BITS) !== 16 && field(layer + VALUE, HADAMARD)) rotate(row + state.decoded, heads, headSize);
  restoreOrder(row + state.exact, heads * headSize);
  for (let head = 0; head < heads; head++) {
    const inverse = f32x4.splat(1 / load<f32>(row + state.total + (<usize>head << 2)));
    for (let channel = 0; channel < headSize; channel += 4) {
      const at = <usize>(head * headSize + channel) << 2;
      const sum = f32x4.add(v128.load(row + state.exact + at), v128.load(row + state.decoded + at));
      v128.store(out + at, f32x4.mul(sum, inverse));
    }
  }
}
