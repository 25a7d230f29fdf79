import type { CacheImage, CachePlan, HeadImage } from "@kvtuner/backend";
import { type LayerScheme, type LayerShape, quantizedPrefix, tensorShape } from "@kvtuner/plan";
import { emptyBlock, mapParts } from "@kvtuner/quantizers";

/** Float16 of 1/64, and the range of bits to add at random: scales from 1/64 to 1/32. */
const SCALE_BITS = 0x2400;
/** Float16 of -1/2, down to -1: minima and 16-bit numbers. */
const MINIMUM_BITS = 0xb800;
const SPREAD = 0x400;

/** A cache of random codes, for detecting swapped or misplaced numbers. No real tokens have such codes. */
export const syntheticImage = ({ shape, layers, assets }: CachePlan, length: number): CacheImage => {
  const random = randomNumbers();
  return {
    shape,
    layers,
    ...(assets && { assets }),
    length,
    tensors: layers.map((layer) => ({
      key: Array.from({ length: shape.kvHeads }, () => headImage(random, layer, shape, length, "key")),
      value: Array.from({ length: shape.kvHeads }, () => headImage(random, layer, shape, length, "value")),
    })),
  };
};

const headImage = (
  random: () => number,
  layer: LayerScheme,
  shape: LayerShape,
  length: number,
  tensor: "key" | "value",
): HeadImage => {
  const scheme = layer[tensor];
  const { headSize } = tensorShape(shape, tensor);
  const prefix = quantizedPrefix(scheme, layer, length);
  const halfFrom = (bits: number): number => bits + Math.floor(SPREAD * random());
  return {
    prefix: mapParts(emptyBlock(prefix, headSize, scheme), (numbers, part) =>
      numbers instanceof Uint8Array
        ? numbers.map(() => Math.floor(256 * random()))
        : numbers.map(() => halfFrom(part === "scales" ? SCALE_BITS : MINIMUM_BITS)),
    ),
    exact: new Uint16Array((length - prefix) * headSize).map(() => halfFrom(MINIMUM_BITS)),
  };
};

/** Numbers from 0 to 1, the same in every run: the upper bits of a linear congruential generator. */
const randomNumbers = (): (() => number) => {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};
