import type { Attention } from "@kvtuner/backend";
import { Tensor } from "onnxruntime-common";

/** Attends to several sequences: entry `i` of the batch belongs to `sequences[i]`. */
export const batchAttention = (sequences: readonly Attention[]): Attention => ({
  attend: async (layer, query, key, value) => {
    const output = new Float32Array(query.size);
    for (const [entry, sequence] of sequences.entries()) {
      const part = await sequence.attend(layer, entryOf(query, entry), entryOf(key, entry), entryOf(value, entry));
      output.set(part.data as Float32Array, entry * part.size);
    }
    return new Tensor("float32", output, query.dims);
  },
  read: async (sharing, query) => {
    const output = new Float32Array(query.size);
    for (const [entry, sequence] of sequences.entries()) {
      const part = await sequence.read!(sharing, entryOf(query, entry));
      output.set(part.data as Float32Array, entry * part.size);
    }
    return new Tensor("float32", output, query.dims);
  },
});

/** One entry of a `[batch, tokens, width]` tensor as `[1, tokens, width]`; shares the data. */
const entryOf = (tensor: Tensor, entry: number): Tensor => {
  const [, tokens = 0, width = 0] = tensor.dims;
  const size = tokens * width;
  const data = (tensor.data as Float32Array).subarray(entry * size, (entry + 1) * size);
  return new Tensor("float32", data, [1, tokens, width]);
};
