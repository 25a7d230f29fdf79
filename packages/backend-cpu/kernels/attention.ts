import { addExact, prepareExactQuery, restoreOrder, scoreExact } from "./exact";
import { hadamard } from "./hadamard";
import { prepareKeyFactors, scoreRecord } from "./keys";
import {
  BITS,
  field,
  floatField,
  HADAMARD,
  HEAD_SIZE,
  HEADS,
  KEY,
  quantizedPrefix,
  recordOf,
  rowOf,
  SCALE,
  SINK_LOGITS,
  SINKS,
  SOFTCAP,
  SPAN,
  TILE,
  VALUE,
} from "./layout";
import { keyRows, layOut, rowStates, state, useRowStates, valueRows } from "./row-state";
import { capScores, hideScores, scale, weighTile } from "./softmax";
import { addRecord } from "./values";

/** What all tiles that are left out may weigh together, relative to all others. */
const NEGLIGIBLE: f32 = 4e-5;

/** Tiles behind the sinks that {@link beginRows} attends to. */
const FIRST_TILES: i32 = 1;

/** Bytes of scratch that {@link attend} needs for `rows` rows; {@link beginRows} and {@link attendPart}, whose states are elsewhere, need that for none. */
export function scratchBytes(layer: usize, rows: i32): usize {
  return layOut(layer, 0, rows);
}

/** Bytes of the state of one row. */
export function stateBytes(layer: usize): usize {
  layOut(layer, 0, 0);
  return state.sizeBytes;
}

/**
 * Causal attention of one KV head. Row `r` is the query at position `start + r`, whose token is in the cache already:
 * f32 `[G][headSize]` at `query + r * stride`; its output goes to `out + r * stride`.
 *
 * Tiles outside, rows inside: codes are read from memory once for all rows.
 */
export function attend(
  scratch: usize,
  layer: usize,
  head: i32,
  start: i32,
  rows: i32,
  query: usize,
  out: usize,
  stride: usize,
): void {
  layOut(layer, scratch, rows);
  for (let row = 0; row < rows; row++) begin(layer, stateOf(row), query + <usize>row * stride);
  attendSinks(layer, head, start, rows);
  attendTiles(layer, head, start, rows, 0, i32.MAX_VALUE / TILE);
  for (let row = 0; row < rows; row++) finish(layer, head, stateOf(row), out + <usize>row * stride);
}

/**
 * The same in parts that may run at once, each with a scratch and states of its own. This begins the states of all rows,
 * with the sinks and the first tile, so that every part knows of scores that its own are negligible beside.
 */
export function beginRows(
  scratch: usize,
  layer: usize,
  head: i32,
  start: i32,
  rows: i32,
  query: usize,
  stride: usize,
  states: usize,
): void {
  layOut(layer, scratch, 0);
  useRowStates(states);
  for (let row = 0; row < rows; row++) begin(layer, stateOf(row), query + <usize>row * stride);
  attendSinks(layer, head, start, rows);
  attendTiles(layer, head, start, rows, 0, FIRST_TILES);
}

/**
 * Goes on from the states at `begun`, which stay as they are, with tiles `from .. to - 1`, into `states`. The part of the
 * first tile of all keeps the sums that it begins with; all parts keep the total.
 */
export function attendPart(
  scratch: usize,
  layer: usize,
  head: i32,
  start: i32,
  rows: i32,
  from: i32,
  to: i32,
  begun: usize,
  states: usize,
): void {
  layOut(layer, scratch, 0);
  useRowStates(states);
  memory.copy(states, begun, <usize>rows * state.sizeBytes);
  const bytes = <usize>(field(layer, HEADS) * field(layer, HEAD_SIZE)) << 2;
  if (from > 0)
    for (let row = 0; row < rows; row++) {
      memory.fill(stateOf(row) + state.exact, 0, bytes);
      memory.fill(stateOf(row) + state.decoded, 0, bytes);
    }
  attendTiles(layer, head, start, rows, max(from, FIRST_TILES), to);
}

/** Adds the part at `part` to the one at `into`; both began with `begun`, which is to count once. */
export function mergePart(layer: usize, rows: i32, into: usize, part: usize, begun: usize): void {
  layOut(layer, 0, 0);
  const heads = field(layer, HEADS);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) mergeHead(into, part, begun, head, field(layer, HEAD_SIZE));
    into += state.sizeBytes;
    part += state.sizeBytes;
    begun += state.sizeBytes;
  }
}

function mergeHead(into: usize, part: usize, begun: usize, head: i32, headSize: i32): void {
  const at = <usize>head << 2;
  const largest = max(load<f32>(into + state.largest + at), load<f32>(part + state.largest + at));
  const mine = powerOf(into, at, largest);
  const theirs = powerOf(part, at, largest);
  const both = powerOf(begun, at, largest) * <f64>load<f32>(begun + state.total + at);
  const total = mine * <f64>load<f32>(into + state.total + at) + theirs * <f64>load<f32>(part + state.total + at) - both;
  store<f32>(into + state.largest + at, largest);
  store<f32>(into + state.total + at, <f32>total);
  const vector = <usize>(head * headSize) << 2;
  mix(into + state.exact + vector, part + state.exact + vector, headSize, <f32>mine, <f32>theirs);
  mix(into + state.decoded + vector, part + state.decoded + vector, headSize, <f32>mine, <f32>theirs);
}

/** What the weights of a state are multiplied by when the largest score becomes `largest`. */
function powerOf(row: usize, at: usize, largest: f32): f64 {
  return Math.exp2(<f64>load<f32>(row + state.largest + at) - <f64>largest);
}

function mix(into: usize, part: usize, count: i32, mine: f32, theirs: f32): void {
  const a = f32x4.splat(mine);
  const b = f32x4.splat(theirs);
  for (let index: usize = 0; index < <usize>count << 2; index += 16)
    v128.store(into + index, f32x4.add(f32x4.mul(v128.load(into + index), a), f32x4.mul(v128.load(part + index), b)));
}

/** Writes the outputs of the rows at `states`. */
export function endRows(layer: usize, head: i32, rows: i32, states: usize, out: usize, stride: usize): void {
  layOut(layer, 0, 0);
  useRowStates(states);
  for (let row = 0; row < rows; row++) finish(layer, head, stateOf(row), out + <usize>row * stride);
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
  scale(row + state.query, heads * headSize, floatField(layer, SCALE));
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

function attendSinks(layer: usize, head: i32, start: i32, rows: i32): void {
  const sinks = field(layer, SINKS);
  for (let first = 0; first < min(sinks, start + rows); first += TILE)
    attendTile(layer, head, start, rows, first, min(TILE, sinks - first), -1);
}

function attendTiles(layer: usize, head: i32, start: i32, rows: i32, from: i32, to: i32): void {
  const sinks = field(layer, SINKS);
  const firstTile = max(0, start + 1 - field(layer, SPAN) - sinks) / TILE;
  for (let tile = max(from, firstTile); tile < to && sinks + tile * TILE < start + rows; tile++)
    attendTile(layer, head, start, rows, sinks + tile * TILE, TILE, tile);
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
    if (first + size <= length - field(layer, SPAN)) continue;
    attendRow(layer, head, stateOf(row), length, min(size, length - first), max(0, length - field(layer, SPAN) - first), tile);
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

/** `hidden` tokens of the tile are beyond the span. */
function attendRow(layer: usize, head: i32, row: usize, length: i32, count: i32, hidden: i32, tile: i32): void {
  const keyTokens = min(count, decodedIn(layer, layer + KEY, length, tile));
  const valueTokens = min(count, decodedIn(layer, layer + VALUE, length, tile));
  if (keyTokens > 0) scoreRecord(layer, recordOf(layer + KEY, head, tile), row, keyTokens);
  if (keyTokens < count) scoreExact(layer, row, keyTokens, count);
  // One tile of sinks and one that is not full come on top.
  const negligible = NEGLIGIBLE / <f32>(length / TILE + 3);
  const isChanged = finishScores(layer, count, hidden);
  const active = weighTile(layer, row, count, negligible, keyTokens === TILE && !isChanged);
  if (active === 0) return;
  if (valueTokens > 0) addRecord(layer, recordOf(layer + VALUE, head, tile), row, valueTokens, active);
  if (valueTokens < count) addExact(layer, row, valueTokens, count, active);
}

/** Caps the scores of a tile and hides the tokens beyond the span; whether that changed any. */
function finishScores(layer: usize, count: i32, hidden: i32): bool {
  const cap = floatField(layer, SOFTCAP);
  if (cap > 0) capScores(layer, count, cap);
  if (hidden > 0) hideScores(layer, hidden);
  return cap > 0 || hidden > 0;
}

/**
 * Sum of a head's weights and that of its sink, a score without a value. It comes in at the end: a sink that outweighs all tokens makes
 * none of them negligible beside the others.
 */
function totalWithSink(layer: usize, kvHead: i32, head: i32, row: usize): f32 {
  const total = load<f32>(row + state.total + (<usize>head << 2));
  const logits = <usize>field(layer, SINK_LOGITS);
  if (!logits) return total;
  const logit = load<f32>(logits + (<usize>(kvHead * field(layer, HEADS) + head) << 2));
  const largest = load<f32>(row + state.largest + (<usize>head << 2));
  return <f32>(<f64>total + Math.exp2(<f64>logit - <f64>largest));
}

function finish(layer: usize, kvHead: i32, row: usize, out: usize): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer, HEAD_SIZE);
  if (field(layer + VALUE, BITS) !== 16 && field(layer + VALUE, HADAMARD)) rotate(row + state.decoded, heads, headSize);
  restoreOrder(row + state.exact, heads * headSize);
  for (let head = 0; head < heads; head++) {
    const inverse = f32x4.splat(1 / totalWithSink(layer, kvHead, head, row));
    for (let channel = 0; channel < headSize; channel += 4) {
      const at = <usize>(head * headSize + channel) << 2;
      const sum = f32x4.add(v128.load(row + state.exact + at), v128.load(row + state.decoded + at));
      v128.store(out + at, f32x4.mul(sum, inverse));
    }
  }
}
