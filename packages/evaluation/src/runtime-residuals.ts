import type { Attention } from "@kvtuner/backend";
import { type Decoder, forward } from "@kvtuner/decoder";

/** Fills the holes for one sample as a runtime does, such as a backend's cache. */
export interface RuntimeAttention extends Attention {
  /** Called when the sample is done. */
  dispose?(): Promise<void>;
}

/** Options for feeding samples to a runtime. */
export interface RuntimeOptions {
  /** Tokens fed at once; 1 by default, as in generation. */
  readonly pieceTokens?: number;
  /** Called after each piece with the tokens done so far, over all samples. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborts between two pieces. */
  readonly signal?: AbortSignal;
}

/** Last residuals `[tokens, hiddenSize]` of a sample fed in pieces. Calls `onPiece` with each piece's tokens. */
export const runtimeResiduals = async (
  decoder: Decoder,
  ids: Int32Array,
  attention: Attention,
  { pieceTokens = 1, signal }: RuntimeOptions,
  onPiece: (tokens: number) => void,
): Promise<Float32Array> => {
  const residuals = new Float32Array(ids.length * decoder.config.hiddenSize);
  const state = decoder.createState();
  for (let start = 0; start < ids.length; start += pieceTokens) {
    signal?.throwIfAborted();
    const piece = ids.subarray(start, start + pieceTokens);
    const positions = Array.from(piece, (_, index) => start + index);
    const part = await forward(decoder, piece, positions, attention, 1, [state]);
    residuals.set(part.data as Float32Array, start * decoder.config.hiddenSize);
    onPiece(piece.length);
  }
  return residuals;
};
