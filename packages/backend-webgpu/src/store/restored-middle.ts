import type { HeadImage } from "@kvtuner/backend";
import type { TensorScheme } from "@kvtuner/plan";
import { decodeBlock, numberFromFloat16 } from "@kvtuner/quantizers";

/**
 * A key of the sequence for each KV head, float32 `[kvHeads * headSize]`: the first exact one, or the first one decoded. Any
 * will do, for it is taken away from all keys alike.
 */
export const restoredMiddle = (heads: readonly HeadImage[], scheme: TensorScheme, headSize: number): Float32Array => {
  const middle = new Float32Array(heads.length * headSize);
  for (const [head, image] of heads.entries()) middle.set(keyOf(image, scheme, headSize), head * headSize);
  return middle;
};

const keyOf = ({ exact, prefix }: HeadImage, scheme: TensorScheme, headSize: number): Float32Array => {
  if (exact.length > 0) return Float32Array.from(exact.subarray(0, headSize), numberFromFloat16);
  const tokens = scheme.axis === "channel" ? (scheme.groupSize as number) : 1;
  const groups = scheme.axis === "channel" || scheme.groupSize === "head" ? 1 : Math.ceil(headSize / scheme.groupSize);
  const parameters = groups * (scheme.axis === "channel" ? headSize : 1);
  const first = {
    codes: prefix.codes.subarray(0, (tokens * headSize * scheme.bits) / 8),
    scales: prefix.scales.subarray(0, parameters),
    minima: prefix.minima.subarray(0, parameters),
  };
  return decodeBlock(first, tokens, headSize, scheme).subarray(0, headSize);
};
