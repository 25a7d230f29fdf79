import { batchAttention } from "../attention/batch-attention.ts";
import type { Decoder } from "../decoder.ts";
import { forward } from "../forward.ts";
import type { SequenceCache } from "./cache-session.ts";

/** Appends one token to each of several caches, all in one batch; returns the float32 logits `[vocabulary]` after each. */
export const batchLogits = async (
  decoder: Decoder,
  sequences: readonly { readonly cache: SequenceCache; readonly id: number }[],
): Promise<Float32Array[]> => {
  const caches = sequences.map(({ cache }) => cache);
  const residual = await forward(
    decoder,
    sequences.map(({ id }) => id),
    caches.map(({ length }) => length),
    batchAttention(caches),
    caches.length,
  );
  const logits = (await decoder.head(residual)).data as Float32Array;
  const size = decoder.vocabularySize;
  return caches.map((_, row) => logits.subarray(row * size, (row + 1) * size));
};
