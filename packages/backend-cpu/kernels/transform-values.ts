import { field, HEAD_SIZE, TILE, VALUE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { sumLanes } from "./round-factors";
import { active, scores, state, valueTile, weights } from "./row-state";
import { CHANNELS, channelOf, coderOf, DECODES_WORDS, EXACT_MEAN, MATRIX, part, PLACE } from "./transform-table";
import { decodeValues } from "./transform-tile";
import { addWords } from "./transform-word-values";

/**
 * Adds the first `count` tokens of a tile, weighted by what is in `scores`, to a row: their channels to its decoded
 * sum, their means to its exact sum, for the first `heads` heads of the active ones.
 */
export function addTransform(layer: usize, head: i32, tile: i32, row: usize, count: i32, heads: i32): void {
  const value = layer + VALUE;
  const coder = coderOf(value, head);
  const valueSize = field(value, HEAD_SIZE);
  const mean = <usize>part(coder, EXACT_MEAN);
  decodeValues(layer, head, tile);
  const decodesWords = part(coder, DECODES_WORDS) !== 0;
  if (decodesWords) addWords(layer, coder, row, count, heads);
  for (let index = 0; index < heads; index++) {
    const own = load<i32>(active + (<usize>index << 2));
    memory.copy(weights, scores + (<usize>(own * TILE) << 2), <usize>count << 2);
    for (let token = count; token & 3; token++) store<f32>(weights + (<usize>token << 2), 0);
    const at = <usize>(own * valueSize) << 2;
    if (!decodesWords) addChannels(count, part(coder, CHANNELS), row + state.decoded + at);
    if (mean) addMean(count, mean, valueSize, row + state.exact + at);
  }
}

function addChannels(count: i32, channels: i32, to: usize): void {
  for (let channel = 0; channel < channels; channel++) {
    const from = valueTile + <usize>channel * (TILE << 2);
    let sum = f32x4.splat(0);
    for (let at: usize = 0; at < <usize>count << 2; at += 16)
      sum = multiplyAdd(v128.load(weights + at), v128.load(from + at), sum);
    store<f32>(to, load<f32>(to) + sumLanes(sum));
    to += 4;
  }
}

function addMean(count: i32, mean: usize, valueSize: i32, to: usize): void {
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < <usize>count << 2; at += 16) sum = f32x4.add(sum, v128.load(weights + at));
  const weight = f32x4.splat(sumLanes(sum));
  for (let at: usize = 0; at < <usize>valueSize << 2; at += 16)
    v128.store(to + at, multiplyAdd(v128.load(mean + at), weight, v128.load(to + at)));
}

/** Turns a row's decoded sums from channels into numbers. */
export function unfoldSums(layer: usize, head: i32, row: usize, heads: i32): void {
  const value = layer + VALUE;
  const coder = coderOf(value, head);
  const valueSize = field(value, HEAD_SIZE);
  for (let index = 0; index < heads; index++) {
    const sums = row + state.decoded + (<usize>(index * valueSize) << 2);
    unfold(coder, sums, row + state.unfolded, valueSize);
    memory.copy(sums, row + state.unfolded, <usize>valueSize << 2);
  }
}

function unfold(coder: usize, sums: usize, to: usize, valueSize: i32): void {
  const matrix = <usize>part(coder, MATRIX);
  const bytes = <usize>valueSize << 2;
  memory.fill(to, 0, bytes);
  for (let channel = 0; channel < part(coder, CHANNELS); channel++) {
    const sum = sums + (<usize>channel << 2);
    if (!matrix) store<f32>(to + (<usize>part(channelOf(coder, channel), PLACE) << 2), load<f32>(sum));
    else {
      const factor = v128.load32_splat(sum);
      const from = matrix + <usize>channel * bytes;
      for (let at: usize = 0; at < bytes; at += 16)
        v128.store(to + at, multiplyAdd(v128.load(from + at), factor, v128.load(to + at)));
    }
  }
}
