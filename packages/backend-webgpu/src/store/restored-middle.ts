import type { HeadImage } from "@kvtuner/backend";
import { blockTokens, layoutOf, type TensorScheme } from "@kvtuner/plan";
import { decodeBlock, mapParts, numberFromFloat16 } from "@kvtuner/quantizers";
import type { GpuLayer } from "./gpu-layer.ts";

/**
 * A middle for each KV head, float32 `[kvHeads * headSize]`: the first exact key, else the first key decoded by a codec without tables, else zeros.
 * Any vector works, because it is subtracted from all keys alike.
 */
export const restoredMiddle = (
  heads: readonly HeadImage[],
  { shape: { headSize }, scheme: { key: scheme } }: GpuLayer,
): Float32Array => {
  const middle = new Float32Array(heads.length * headSize);
  for (const [head, image] of heads.entries()) middle.set(keyOf(image, scheme, headSize), head * headSize);
  return middle;
};

const keyOf = ({ exact, prefix }: HeadImage, scheme: TensorScheme, headSize: number): Float32Array => {
  if (exact.length > 0) return Float32Array.from(exact.subarray(0, headSize), numberFromFloat16);
  if (scheme.kind === "transform" || Object.values(prefix).every(({ length }) => length === 0))
    return new Float32Array(headSize);
  const tokens = blockTokens(scheme);
  const sizes = new Map(layoutOf(scheme, { tokens, headSize }).map(({ name, elements }) => [name, elements]));
  const first = mapParts(prefix, (numbers, name) => numbers.subarray(0, sizes.get(name)));
  return decodeBlock(first, tokens, headSize, scheme).subarray(0, headSize);
};
