import type { TensorScheme } from "@kvtuner/plan";
import { assertBlock, type BlockContext, codecContext } from "./block.ts";
import type { BlockErrorBounds } from "./bounds/block-errors.ts";
import { codecOf } from "./codecs/registry.ts";

/**
 * Largest change of one KV head's `x`, float32 `[tokens, headSize]`, by `decodeBlock(encodeBlock(x))`. Throws as
 * `encodeBlock`.
 */
export const blockErrorBounds = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
  context?: BlockContext,
): BlockErrorBounds => {
  assertBlock(x, tokens, headSize);
  return codecOf(scheme).bound(x, tokens, headSize, scheme, codecContext(scheme, context));
};
