import { blockTokens, type TensorScheme } from "@kvtuner/plan";
import { type BlockContext, codecContext } from "./block.ts";
import type { RowLayout } from "./codecs/codec.ts";
import { codecOf } from "./codecs/registry.ts";

/**
 * Encodes and decodes whole blocks of tokens without packing, from `source` into `target` (both float32 `[tokens,
 * heads * headSize]`, not overlapping unless the same). Bit for bit what decoding packed blocks gives. Copies the tokens of
 * a last block that is not full. The input must be finite.
 */
export const fakeQuantize = (
  source: Float32Array,
  target: Float32Array,
  layout: RowLayout,
  scheme: TensorScheme,
  context?: Omit<BlockContext, "head">,
): void => {
  if (source !== target) target.set(source);
  const block = blockTokens(scheme);
  const tokens = block * Math.floor(layout.tokens / block);
  codecOf(scheme).roundTrip(target, { ...layout, tokens }, scheme, codecContext(scheme, context));
};
