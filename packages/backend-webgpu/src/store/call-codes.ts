import type { TensorFormat, TokenRange } from "./tensor-format.ts";

/** Tokens counted after the sinks, encoded on the CPU: rows of words `[kvHeads, tokens, rowWords]`. */
export interface CodedTokens extends TokenRange {
  readonly words: Uint32Array<ArrayBuffer>;
}

/** What a call encodes, of each tensor of the codec `transform`. */
export type CallCodes = Partial<Record<TensorFormat["kind"], CodedTokens>>;
