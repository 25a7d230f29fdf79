import { loadHalves } from "./float16";
import { AFFINE, codeOffset, field, middleCode, MINIMA, SCALES } from "./layout";
import { middles, scales } from "./row-state";

/** `count` parameters of a record from number `first` on: scales, and the numbers of the middle code, as f32. */
export function loadMiddles(tensor: usize, record: usize, first: i32, count: i32): void {
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
