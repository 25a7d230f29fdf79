import { batchAttention } from "../attention/batch-attention.ts";
import type { Decoder } from "../decoder.ts";
import { forward } from "../forward.ts";
import type { RecurrentState } from "../recurrent-state.ts";
import type { SequenceCache } from "./cache-session.ts";

/** A sequence, and the token to append to it. */
interface BatchSequence {
  readonly cache: SequenceCache;
  /** State of the recurrent layers after the cached tokens, which advances; models without such layers need none. */
  readonly state?: RecurrentState;
  readonly id: number;
}

/** Appends one token to each of several caches, all in one batch; returns the float32 logits `[vocabulary]` after each. */
export const batchLogits = async (decoder: Decoder, sequences: readonly BatchSequence[]): Promise<Float32Array[]> => {
  const caches = sequences.map(({ cache }) => cache);
  const residual = await forward(
    decoder,
    sequences.map(({ id }) => id),
    caches.map(({ length }) => length),
    batchAttention(caches),
    caches.length,
    sequences.map(({ state }) => state ?? decoder.createState()),
  );
  const logits = (await decoder.head(residual)).data as Float32Array;
  const size = decoder.vocabularySize;
  return caches.map((_, row) => logits.subarray(row * size, (row + 1) * size));
};
