import { type CachePlan, type HeadImage, writeSnapshot } from "@kvtuner/backend";
import {
  type Asset,
  blockTokens,
  type HeldTokens,
  heldTokens,
  layerShape,
  layerSpan,
  type TensorScheme,
} from "@kvtuner/plan";
import { encodeBlock, float16FromNumber, mapParts } from "@kvtuner/quantizers";
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Tokens after which synthetic numbers repeat, or slightly more if blocks need it. */
const PERIOD_TOKENS = 128;

/**
 * Snapshot of a cache of `length` tokens whose keys and values are seeded uniform numbers from -1 to 1, stored as the plan
 * says. Keys and values, and all heads, are equal, and repeat every 128 tokens. Timing does not depend on the numbers, and
 * running the model on long contexts takes minutes.
 */
export const syntheticSnapshot = async (plan: CachePlan, length: number, seed: number): Promise<Uint8Array> => {
  const tensors = plan.layers.map((layer, index) => {
    const own = layerShape(plan.shape, index);
    const { kvHeads, headSize } = own;
    const heads = (scheme: TensorScheme): HeadImage[] => {
      const sizes = { ...heldTokens(scheme, layer, layerSpan(own), length), headSize };
      return Array.from<HeadImage>({ length: kvHeads }).fill(headImage(scheme, sizes, seed, plan.assets));
    };
    return { key: heads(layer.key), value: heads(layer.value) };
  });
  return writeSnapshot({ ...plan, length, tensors });
};

/**
 * The repeating numbers of a synthetic cache, float32 `[tokens, headSize]`; 128 tokens for blocks of up to 128.
 * All are float16 numbers too.
 */
export const syntheticNumbers = (tokens: number, headSize: number, seed: number): Float32Array => {
  const random = xoroshiro128plus(seed);
  return Float32Array.from({ length: tokens * headSize }, () => Math.round(2048 * uniformFloat32(random)) / 1024 - 1);
};

interface HeadSizes extends Pick<HeldTokens, "coded" | "exact"> {
  readonly headSize: number;
}

const headImage = (
  scheme: TensorScheme,
  { coded, exact, headSize }: HeadSizes,
  seed: number,
  assets?: readonly Asset[],
): HeadImage => {
  const block = blockTokens(scheme);
  const period = block * Math.ceil(PERIOD_TOKENS / block);
  const numbers = syntheticNumbers(period, headSize, seed);
  return {
    prefix: mapParts(encodeBlock(numbers, period, headSize, scheme, { assets }), (once) =>
      repeat(once, coded / period),
    ),
    exact: repeat(Uint16Array.from(numbers, float16FromNumber), exact / period),
  };
};

/** Repeats an array; the last repetition may be cut. */
const repeat = <Numbers extends Uint8Array | Uint16Array>(once: Numbers, times: number): Numbers => {
  const all = new (once.constructor as new (length: number) => Numbers)(Math.round(once.length * times));
  for (let offset = 0; offset < all.length; offset += once.length)
    all.set(once.subarray(0, all.length - offset), offset);
  return all;
};
