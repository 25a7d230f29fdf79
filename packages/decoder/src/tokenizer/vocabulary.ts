import type { TokenSplitter } from "./split-at-tokens.ts";

/** Tokens of a model file, and how text becomes their ids and back. */
export interface Vocabulary {
  readonly tokens: readonly string[];
  /** Texts of the tokens that steer the model. */
  readonly control: readonly string[];
  /** Splits a text at special tokens: those that steer the model, and those that users may write. */
  readonly split: TokenSplitter;
  /** Ids of such parts: tokens at odd indices, plain text at the others. */
  encodeParts(parts: readonly string[]): number[];
  /** Text of ids, special tokens included. */
  decode(ids: ArrayLike<number>): string;
}
