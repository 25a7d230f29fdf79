import { blockTokens, isCoded, type TensorScheme } from "./codecs/registry.ts";
import type { LayerScheme } from "./scheme.ts";

/**
 * Tokens of a tensor that are read quantized at cache length `length`, counted from the first token after the sinks. With
 * blocks of `B` tokens: `B * floor(max(0, length - sinks - recent) / B)`. Zero for float16.
 */
export const quantizedPrefix = (
  tensor: TensorScheme,
  { residency }: Pick<LayerScheme, "residency">,
  length: number,
): number => {
  if (!isCoded(tensor)) return 0;
  const block = blockTokens(tensor);
  return block * Math.floor(Math.max(0, length - residency.sinks - residency.recent) / block);
};
