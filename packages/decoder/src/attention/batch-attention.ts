import type { Attention } from "@kvtuner/backend";
import { Tensor } from "onnxruntime-common";

/** Attends to several sequences: entry `i` of the batch belongs to `sequences[i]`. */
export const batchAttention = (sequences: readonly Attention[]): Attention => ({
  attend: (layer, query, key, value) =>
    joined(sequences, (sequence, entry) =>
      sequence.attend(layer, entryOf(query, entry), entryOf(key, entry), entryOf(value, entry)),
    ),
  read: (sharing, query) => joined(sequences, (sequence, entry) => sequence.read!(sharing, entryOf(query, entry))),
});

/** The outputs of all sequences as one batch. */
const joined = async (
  sequences: readonly Attention[],
  attend: (sequence: Attention, entry: number) => Promise<Tensor>,
): Promise<Tensor> => {
  const parts: Tensor[] = [];
  for (const [entry, sequence] of sequences.entries()) parts.push(await attend(sequence, entry));
  const [, tokens = 0, width = 0] = parts[0]!.dims;
  const output = new Float32Array(parts.length * tokens * width);
  for (const [entry, part] of parts.entries()) output.set(part.data as Float32Array, entry * tokens * width);
  return new Tensor("float32", output, [parts.length, tokens, width]);
};

/** One entry of a `[batch, tokens, width]` tensor as `[1, tokens, width]`; shares the data. */
const entryOf = (tensor: Tensor, entry: number): Tensor => {
  const [, tokens = 0, width = 0] = tensor.dims;
  const size = tokens * width;
  const data = (tensor.data as Float32Array).subarray(entry * size, (entry + 1) * size);
  return new Tensor("float32", data, [1, tokens, width]);
};
