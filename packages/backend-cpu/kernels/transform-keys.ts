import { field, HEAD_SIZE, HEADS, KEY, TILE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { keyTile, scores, state, turned } from "./row-state";
import { turnBack } from "./transform-rope";
import { CHANNELS, channelOf, coderOf, DECODES_WORDS, MATRIX, MEAN, part, PLACE, ROPE } from "./transform-table";
import { decodeKeyFloats } from "./transform-tile";
import { scoreWords } from "./transform-word-keys";

/** Brings a row's queries, f32 `[G][headSize]` at `row + state.query`, into the basis of the keys' channels. */
export function foldQuery(layer: usize, head: i32, row: usize): void {
  const key = layer + KEY;
  const coder = coderOf(key, head);
  if (part(coder, ROPE)) return;
  const headSize = field(key, HEAD_SIZE);
  const mean = <usize>part(coder, MEAN);
  for (let index = 0; index < field(layer, HEADS); index++) {
    const at = <usize>(index * headSize) << 2;
    const query = row + state.query + at;
    store<f32>(row + state.ofMean + (<usize>index << 2), mean ? dot(query, mean, headSize) : 0);
    for (let channel = 0; channel < part(coder, CHANNELS); channel++)
      store<f32>(row + state.rotated + at + (<usize>channel << 2), foldChannel(coder, channel, query, headSize));
  }
}

function foldChannel(coder: usize, channel: i32, query: usize, headSize: i32): f32 {
  const matrix = <usize>part(coder, MATRIX);
  if (!matrix) return load<f32>(query + (<usize>part(channelOf(coder, channel), PLACE) << 2));
  return dot(query, matrix + (<usize>(channel * headSize) << 2), headSize);
}

function dot(one: usize, other: usize, count: i32): f32 {
  let sum: f64 = 0;
  for (let at: usize = 0; at < <usize>count << 2; at += 4) sum += <f64>load<f32>(one + at) * <f64>load<f32>(other + at);
  return <f32>sum;
}

/** Scores of a row and the first `count` tokens of a tile, which {@link decodeKeys} decoded, into `scores`; up to 7 more are overwritten with anything. */
export function scoreTransform(layer: usize, head: i32, tile: i32, row: usize, count: i32): void {
  const key = layer + KEY;
  const coder = coderOf(key, head);
  if (part(coder, DECODES_WORDS)) {
    if (scoreWords(layer, coder, tile, row, count)) return;
    decodeKeyFloats(layer, head, tile, count);
  }
  const heads = field(layer, HEADS);
  const headSize = field(key, HEAD_SIZE);
  const rope = <usize>part(coder, ROPE);
  if (rope) turnBack(rope, tile, row + state.rotated, turned, heads, headSize);
  const queries = rope ? turned : row + state.rotated;
  const channels = rope ? headSize : part(coder, CHANNELS);
  for (let index = 0; index < heads; index++) {
    const start: f32 = rope ? 0 : load<f32>(row + state.ofMean + (<usize>index << 2));
    const query = queries + (<usize>(index * headSize) << 2);
    scoreHead(query, channels, start, scores + (<usize>(index * TILE) << 2), count);
  }
}

/** Eight tokens at a time. */
function scoreHead(query: usize, channels: i32, start: f32, to: usize, count: i32): void {
  for (let token: usize = 0; token < <usize>count; token += 8) {
    let low = f32x4.splat(start);
    let high = low;
    let from = keyTile + (token << 2);
    for (let channel: usize = 0; channel < <usize>channels << 2; channel += 4) {
      const factor = v128.load32_splat(query + channel);
      low = multiplyAdd(v128.load(from), factor, low);
      high = multiplyAdd(v128.load(from, 16), factor, high);
      from += <usize>TILE << 2;
    }
    v128.store(to + (token << 2), low);
    v128.store(to + (token << 2), high, 16);
  }
}
