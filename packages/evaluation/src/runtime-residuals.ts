import type { Attention } from "@kvtuner/backend";
import { type Decoder, forward } from "@kvtuner/decoder";

/** What fills the holes for one sample as a runtime does; a backend's cache is one. */
export interface RuntimeAttention extends Attention {
  /** Called when the sample is done. */
  dispose?(): Promise<void>;
}

/** How samples are fed to a runtime. */
export interface RuntimeOptions {
  /** Tokens fed at once; 1 by default, as in generation. */
  readonly pieceTokens?: number;
  /** Told after each piece of the tokens done, over all samples. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborts between two pieces. */
  readonly signal?: AbortSignal;
}

/** Last residuals `[tokens, hiddenSize]` of a sample that is fed in pieces; `onPiece` hears how many tokens each had. */
export const runtimeResiduals = async (
  decoder: Decoder,
  ids: Int32Array,
  attention: Attention,
  { pieceTokens = 1, signal }: RuntimeOptions,
  onPiece: (tokens: number) => void,
): Promise<Float32Array> => {
  const residuals = new Float32Array(ids.length * decoder.config.hiddenSize);
  for (let start = 0; start < ids.length; start += pieceTokens) {
    signal?.throwIfAborted();
    const piece = ids.subarray(start, start + pieceTokens);
    const positions = Array.from(piece, (_, index) => start + index);
    const part = await forward(decoder, piece, positions, attention);
    residuals.set(part.data as Float32Array, start * decoder.config.hiddenSize);
    onPiece(piece.length);
  }
  return residuals;
};
