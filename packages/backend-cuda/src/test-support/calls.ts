import type { CacheShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

/** Query, key and value of a call: numbers from -1 to 1 that do not repeat, determined by the seed. */
export const callTensors = (
  { queryHeads, kvHeads, headSize }: CacheShape,
  tokens: number,
  seed = 0,
): [query: Tensor, key: Tensor, value: Tensor] => {
  const rows = (heads: number, phase: number): Tensor => {
    const numbers = new Float32Array(tokens * heads * headSize);
    for (let index = 0; index < numbers.length; index++) numbers[index] = Math.sin(1.7 * index + 0.01 * index * phase);
    return new Tensor("float32", numbers, [1, tokens, heads * headSize]);
  };
  return [rows(queryHeads, seed + 1), rows(kvHeads, seed + 2), rows(kvHeads, seed + 3)];
};
