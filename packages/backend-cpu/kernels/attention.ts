import { addExact, prepareExactQuery, restoreOrder, scoreExact } from "./exact";
import { addFloats, expandKeys, expandValues, isFloat8, scoreFloats } from "./float8";
import { prepareKeyFactors, scoreRecord } from "./keys";
import {
  BITS,
  CODED_FROM,
  field,
  floatField,
  HEAD_SIZE,
  HEADS,
  KEY,
  KV_HEADS,
  recordOf,
  ROTATED,
  rowOf,
  SCALE,
  SINK_LOGITS,
  SOFTCAP,
  SPAN,
  TILE,
  VALUE,
} from "./layout";
import { CODED, endOf, isCoded, KEY_ENDS, lengthOf, segmentsOf, VALUE_ENDS } from "./segments";
import { keyRows, layOut, rowStates, state, useRowStates, valueRows } from "./row-state";
import { rotateBack, rotateQueries } from "./rotation";
import { capScores, hideScores, scale, weighTile } from "./softmax";
import { foldQuery, scoreTransform } from "./transform-keys";
import { isTransformed } from "./transform-table";
import { decodeKeys, expectValues } from "./transform-tile";
import { addTransform, unfoldSums } from "./transform-values";
import { useTile } from "./two-level";
import { addRecord } from "./values";

/** What all tiles that are left out may weigh together, relative to all others. */
const NEGLIGIBLE: f32 = 4e-5;

/** Tiles from the first token that may be coded on that {@link beginRows} attends to. */
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
 * Causal attention of one KV head over the `segments` of its rows, see `segments.ts`. Row `r` is the query of the newest
 * token that it reads: f32 `[G][headSize]`, in f32 `[rows][kvHeads][G][headSize]`. Its output, of the size of a value, goes to
 * `out` in the same way.
 *
 * Each row has one accumulator, into which all its segments are folded tile by tile. Tiles outside, rows inside: codes are
 * read from memory once for all rows.
 */
export function attend(
  scratch: usize,
  layer: usize,
  head: i32,
  segments: usize,
  rows: i32,
  query: usize,
  out: usize,
): void {
  layOut(layer, scratch, rows);
  beginAll(layer, head, rows, query);
  attendTiles(layer, head, segments, rows, i32.MIN_VALUE, i32.MAX_VALUE);
  finishAll(layer, head, rows, out);
}

/**
 * The first step of attention in parts that may run at once, each with its own scratch and states. Begins the states of all rows with
 * all tiles before the second that may be coded, so that every part knows scores large enough to make some of its own negligible.
 */
export function beginRows(
  scratch: usize,
  layer: usize,
  head: i32,
  segments: usize,
  rows: i32,
  query: usize,
  states: usize,
): void {
  layOut(layer, scratch, 0);
  useRowStates(states);
  beginAll(layer, head, rows, query);
  attendTiles(layer, head, segments, rows, i32.MIN_VALUE, FIRST_TILES);
}

/**
 * Goes on from the states at `begun`, which stay as they are, with tiles `from .. to - 1`, into `states`. The part of the
 * first tile of all keeps the sums that it begins with; all parts keep the total.
 */
export function attendPart(
  scratch: usize,
  layer: usize,
  head: i32,
  segments: usize,
  rows: i32,
  from: i32,
  to: i32,
  begun: usize,
  states: usize,
): void {
  layOut(layer, scratch, 0);
  useRowStates(states);
  memory.copy(states, begun, <usize>rows * state.sizeBytes);
  const bytes = vectorBytes(layer, layer + VALUE);
  if (from > 0)
    for (let row = 0; row < rows; row++) {
      memory.fill(stateOf(row) + state.exact, 0, bytes);
      memory.fill(stateOf(row) + state.decoded, 0, bytes);
    }
  attendTiles(layer, head, segments, rows, max(from, FIRST_TILES), to);
}

/** Adds the part at `part` to the one at `into`; both began with `begun`, which is to count once. */
export function mergePart(layer: usize, rows: i32, into: usize, part: usize, begun: usize): void {
  layOut(layer, 0, 0);
  const heads = field(layer, HEADS);
  const valueSize = field(layer + VALUE, HEAD_SIZE);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) mergeHead(into, part, begun, head, valueSize);
    into += state.sizeBytes;
    part += state.sizeBytes;
    begun += state.sizeBytes;
  }
}

function mergeHead(into: usize, part: usize, begun: usize, head: i32, valueSize: i32): void {
  const at = <usize>head << 2;
  const largest = max(load<f32>(into + state.largest + at), load<f32>(part + state.largest + at));
  const mine = powerOf(into, at, largest);
  const theirs = powerOf(part, at, largest);
  const both = powerOf(begun, at, largest) * <f64>load<f32>(begun + state.total + at);
  const total = mine * <f64>load<f32>(into + state.total + at) + theirs * <f64>load<f32>(part + state.total + at) - both;
  store<f32>(into + state.largest + at, largest);
  store<f32>(into + state.total + at, <f32>total);
  const vector = <usize>(head * valueSize) << 2;
  mix(into + state.exact + vector, part + state.exact + vector, valueSize, <f32>mine, <f32>theirs);
  mix(into + state.decoded + vector, part + state.decoded + vector, valueSize, <f32>mine, <f32>theirs);
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
export function endRows(layer: usize, head: i32, rows: i32, states: usize, out: usize): void {
  layOut(layer, 0, 0);
  useRowStates(states);
  finishAll(layer, head, rows, out);
}

function beginAll(layer: usize, head: i32, rows: i32, query: usize): void {
  const stride = rowBytes(layer, layer + KEY);
  for (let row = 0; row < rows; row++) begin(layer, head, stateOf(row), query + <usize>row * stride);
}

function finishAll(layer: usize, head: i32, rows: i32, out: usize): void {
  const stride = rowBytes(layer, layer + VALUE);
  for (let row = 0; row < rows; row++) finish(layer, head, stateOf(row), out + <usize>row * stride);
}

/** Bytes of one f32 vector for each query head of one KV head, as long as a key or a value. */
function vectorBytes(layer: usize, tensor: usize): usize {
  return <usize>(field(layer, HEADS) * field(tensor, HEAD_SIZE)) << 2;
}

/** Bytes of one for each query head. */
function rowBytes(layer: usize, tensor: usize): usize {
  return <usize>field(layer, KV_HEADS) * vectorBytes(layer, tensor);
}

// @ts-ignore: decorator
@inline
function stateOf(row: i32): usize {
  return rowStates + <usize>row * state.sizeBytes;
}

function begin(layer: usize, kvHead: i32, row: usize, query: usize): void {
  const heads = field(layer, HEADS);
  const headSize = field(layer + KEY, HEAD_SIZE);
  const bytes = vectorBytes(layer, layer + KEY);
  const sumBytes = vectorBytes(layer, layer + VALUE);
  memory.copy(row + state.query, query, bytes);
  scale(row + state.query, heads * headSize, floatField(layer, SCALE));
  memory.copy(row + state.rotated, row + state.query, bytes);
  if (field(layer + KEY, ROTATED)) rotateQueries(layer + KEY, kvHead, row, heads);
  if (isTransformed(layer + KEY)) foldQuery(layer, kvHead, row);
  else prepareKeyFactors(layer, row);
  prepareExactQuery(row + state.query, heads * headSize);
  memory.fill(row + state.exact, 0, sumBytes);
  memory.fill(row + state.decoded, 0, sumBytes);
  for (let head: usize = 0; head < <usize>heads; head++) {
    store<f32>(row + state.largest + (head << 2), -1e30);
    store<f32>(row + state.total + (head << 2), 0);
  }
}

/** Tiles `from .. to - 1` of those that a row reads; a tile before the first token that may be coded has a negative number. */
function attendTiles(layer: usize, head: i32, segments: usize, rows: i32, from: i32, to: i32): void {
  const codedFrom = field(layer, CODED_FROM);
  const oldest = max(0, lengthOf(segments) - field(layer, SPAN));
  const newest = lengthOf(segmentsOf(segments, rows - 1)) - 1;
  const end = min(to, tileOf(newest - codedFrom) + 1);
  for (let tile = max(from, tileOf(oldest - codedFrom)); tile < end; tile++) {
    const first = codedFrom + tile * TILE;
    attendTile(layer, head, segments, rows, tile, max(0, first), first + TILE);
  }
}

/** Token over {@link TILE}, rounded down; for tokens before tile 0 too. */
// @ts-ignore: decorator
@inline
function tileOf(token: i32): i32 {
  return token >> 7;
}

/** The tokens of the tile are `first .. end - 1`. */
function attendTile(layer: usize, head: i32, segments: usize, rows: i32, tile: i32, first: i32, end: i32): void {
  const last = segmentsOf(segments, rows - 1);
  const newest = min(end, lengthOf(last));
  useTile(tile);
  decodeTile(layer, head, last, tile, first, newest);
  locateRows(layer, layer + KEY, head, segments + KEY_ENDS, first, newest, keyRows);
  locateRows(layer, layer + VALUE, head, segments + VALUE_ENDS, first, newest, valueRows);
  for (let row = 0; row < rows; row++) {
    const own = segmentsOf(segments, row);
    const length = lengthOf(own);
    if (length <= first || end <= length - field(layer, SPAN)) continue;
    attendRow(layer, head, stateOf(row), own, tile, first, min(end, length) - first);
  }
}

/**
 * Decodes the tokens of a tile that any row reads coded: those that the last one does, which has the most codes. Values wait until a row
 * adds some. Other codecs decode for each row.
 */
function decodeTile(layer: usize, head: i32, segments: usize, tile: i32, first: i32, end: i32): void {
  if (tile < 0) return;
  const keys = min(end, endOf(segments + KEY_ENDS, CODED)) - first;
  const values = min(end, endOf(segments + VALUE_ENDS, CODED)) - first;
  if (keys > 0 && isFloat8(layer + KEY)) expandKeys(layer, head, tile, keys);
  if (values > 0 && isFloat8(layer + VALUE)) expandValues(layer, head, tile, values);
  if (keys > 0 && isTransformed(layer + KEY)) decodeKeys(layer, head, tile, keys);
  expectValues(values);
}

/** Pointers of the tokens of a tile that any row reads exact: those that the first one does, which has the fewest codes. */
function locateRows(layer: usize, tensor: usize, head: i32, ends: usize, first: i32, end: i32, list: usize): void {
  const headSize = field(tensor, HEAD_SIZE);
  const isBefore = first < endOf(ends, CODED - 1);
  for (let token = isBefore ? first : max(first, endOf(ends, CODED)); token < end; token++)
    store<usize>(list + (<usize>(token - first) << 2), rowOf(tensor, head, token, headSize));
}

/** Folds `count` tokens of a tile into the accumulator of a row: each segment of the keys gives scores, each one of the values sums. */
function attendRow(layer: usize, head: i32, row: usize, segments: usize, tile: i32, first: i32, count: i32): void {
  const length = lengthOf(segments);
  const maximaKnown = scoreSegments(layer, head, row, segments + KEY_ENDS, tile, first, count);
  // One tile before those that may be coded and one that is not full come on top.
  const negligible = NEGLIGIBLE / <f32>(length / TILE + 3);
  const isChanged = finishScores(layer, count, length - field(layer, SPAN) - first);
  const active = weighTile(layer, row, count, negligible, maximaKnown && !isChanged);
  if (active > 0) addSegments(layer, head, row, segments + VALUE_ENDS, tile, first, count, active);
}

/** Returns whether all scores are those of a full record, whose maxima are known. */
function scoreSegments(layer: usize, head: i32, row: usize, ends: usize, tile: i32, first: i32, count: i32): bool {
  for (let segment = 0, from = 0; from < count; segment++) {
    const to = min(count, endOf(ends, segment) - first);
    if (to <= from) continue;
    if (!isCoded(segment)) scoreExact(layer, row, from, to);
    else if (isFloat8(layer + KEY)) scoreFloats(layer, row, to);
    else if (isTransformed(layer + KEY)) scoreTransform(layer, head, tile, row, to);
    else {
      scoreRecord(layer, recordOf(layer + KEY, head, tile), row, to);
      if (to === TILE) return true;
    }
    from = to;
  }
  return false;
}

function addSegments(
  layer: usize,
  head: i32,
  row: usize,
  ends: usize,
  tile: i32,
  first: i32,
  count: i32,
  active: i32,
): void {
  for (let segment = 0, from = 0; from < count; segment++) {
    const to = min(count, endOf(ends, segment) - first);
    if (to <= from) continue;
    if (!isCoded(segment)) addExact(layer, row, from, to, active);
    else if (isFloat8(layer + VALUE)) addFloats(layer, row, to, active);
    else if (isTransformed(layer + VALUE)) addTransform(layer, head, tile, row, to, active);
    else addRecord(layer, recordOf(layer + VALUE, head, tile), row, to, active);
    from = to;
  }
}

/** Caps the scores of a tile and hides the tokens beyond the span; whether that changed any. */
function finishScores(layer: usize, count: i32, hidden: i32): bool {
  const cap = floatField(layer, SOFTCAP);
  if (cap > 0) capScores(layer, count, cap);
  if (hidden > 0) hideScores(layer, hidden);
  return cap > 0 || hidden > 0;
}

/**
 * Sum of a head's weights and the weight of its sink, a score without a value. The sink is added last: even one that outweighs all
 * tokens must not make any token negligible compared with the others.
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
  const valueSize = field(layer + VALUE, HEAD_SIZE);
  if (isTransformed(layer + VALUE)) unfoldSums(layer, kvHead, row, heads);
  else if (field(layer + VALUE, BITS) !== 16 && field(layer + VALUE, ROTATED)) rotateBack(layer + VALUE, kvHead, row, heads);
  restoreOrder(row + state.exact, heads * valueSize);
  for (let head = 0; head < heads; head++) {
    const inverse = f32x4.splat(1 / totalWithSink(layer, kvHead, head, row));
    for (let channel = 0; channel < valueSize; channel += 4) {
      const at = <usize>(head * valueSize + channel) << 2;
      const sum = f32x4.add(v128.load(row + state.exact + at), v128.load(row + state.decoded + at));
      v128.store(out + at, f32x4.mul(sum, inverse));
    }
  }
}
