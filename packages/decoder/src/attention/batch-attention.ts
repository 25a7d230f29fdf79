import type { Attention } from "@kvtuner/backend";
import { Tensor } from "onnxruntime-common";

/** Gives each of several sequences, one token each, to its own attention: row `i` belongs to `sequences[i]`. */
export const batchAttention = (sequences: readonly Attention[]): Attention => ({
  attend: async (layer, query, key, value) => {
    const output = new Float32Array(query.size);
    for (const [row, sequence] of sequences.entries()) {
      const part = await sequence.attend(layer, rowOf(query, row), rowOf(key, row), rowOf(value, row));
      output.set(part.data as Float32Array, row * query.dims[1]!);
    }
    return new Tensor("float32", output, query.dims);
  },
});

const rowOf = (tensor: Tensor, row: number): Tensor => {
  const width = tensor.dims[1]!;
  return new Tensor("float32", (tensor.data as Float32Array).subarray(row * width, (row + 1) * width), [1, width]);
};
