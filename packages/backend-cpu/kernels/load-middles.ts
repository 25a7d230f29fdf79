import { loadHalves } from "./float16";
import { AFFINE, CHANNEL, codeOffset, field, HEAD_SIZE, middleCode, MINIMA, SCALES, TILE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { middles, scales } from "./row-state";
import { isTwoLevel, loadChannels, loadTokens } from "./two-level";

/** `count` parameters of a record from number `first` on: scales, and the numbers of the middle code, as f32. */
export function loadMiddles(tensor: usize, record: usize, first: i32, count: i32): void {
  if (isTwoLevel(tensor)) return loadCodedMiddles(tensor, record, first, count);
  const at = record + (<usize>first << 1);
  const scalesAt = at + field(tensor, SCALES);
  const minimaAt = at + field(tensor, MINIMA);
  const affine = field(tensor, AFFINE);
  const toMiddle = f32x4.splat(middleCode(tensor) - <f32>codeOffset(tensor));
  for (let index: usize = 0; index < <usize>count; index += 4) {
    const scale = loadHalves(scalesAt + (index << 1));
    let middle = f32x4.mul(scale, toMiddle);
    if (affine) middle = f32x4.add(middle, loadHalves(minimaAt + (index << 1)));
    v128.store(scales + (index << 2), scale);
    v128.store(middles + (index << 2), middle);
  }
}

/** The same of parameters in two levels. */
function loadCodedMiddles(tensor: usize, record: usize, first: i32, count: i32): void {
  if (field(tensor, CHANNEL)) loadChannels(tensor, record, first / field(tensor, HEAD_SIZE));
  else loadTokens(tensor, record, first / TILE, count);
  const toMiddle = f32x4.splat(middleCode(tensor) - <f32>codeOffset(tensor));
  for (let at: usize = 0; at < <usize>count << 2; at += 16)
    v128.store(middles + at, multiplyAdd(v128.load(scales + at), toMiddle, v128.load(middles + at)));
}
