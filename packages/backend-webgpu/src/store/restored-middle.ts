import { type HeadImage, kernelScheme } from "@kvtuner/backend";
import type { TensorScheme } from "@kvtuner/plan";
import { decodeBlock, numberFromFloat16 } from "@kvtuner/quantizers";

/**
 * A middle for each KV head, float32 `[kvHeads * headSize]`: the first exact key, or else the first key decoded. Any key
 * of the sequence works, because it is subtracted from all keys alike.
 */
export const restoredMiddle = (heads: readonly HeadImage[], scheme: TensorScheme, headSize: number): Float32Array => {
  const middle = new Float32Array(heads.length * headSize);
  for (const [head, image] of heads.entries()) middle.set(keyOf(image, scheme, headSize), head * headSize);
  return middle;
};

const keyOf = ({ exact, prefix }: HeadImage, scheme: TensorScheme, headSize: number): Float32Array => {
  if (exact.length > 0) return Float32Array.from(exact.subarray(0, headSize), numberFromFloat16);
  const { isChannel, groupSize, bits } = kernelScheme(scheme, headSize);
  const tokens = isChannel ? groupSize : 1;
  const parameters = isChannel ? headSize : Math.ceil(headSize / groupSize);
  const first = {
    codes: prefix.codes.subarray(0, (tokens * headSize * bits) / 8),
    scales: prefix.scales.subarray(0, parameters),
    minima: prefix.minima.subarray(0, parameters),
  };
  return decodeBlock(first, tokens, headSize, scheme).subarray(0, headSize);
};
