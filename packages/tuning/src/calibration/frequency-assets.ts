import type { Asset } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";

/** The frequencies of a tensor's RoPE, float32 `[pairs]`, named after the tensor; none without RoPE. */
export const frequencyAssets = (tensor: string, rope: Rope | undefined): readonly Asset[] => {
  if (!rope) return [];
  const data = Float32Array.from(rope.frequencies);
  return [{ name: `${tensor}.frequencies`, dtype: "float32", shape: [data.length], data }];
};
