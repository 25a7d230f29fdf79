import type { Tokenizer } from "./tokenizer.ts";

/** Text of tokens that come one by one. */
export interface TextStream {
  /** Takes a token; returns the text that is complete by now, maybe none. */
  push(id: number): string;
  /** Returns what is left: bytes that never became a character are U+FFFD. */
  end(): string;
}

/**
 * Decodes token by token. A token may end within a character, whose bytes are held back until the rest has come; all that
 * was returned, joined, is what `decode` makes of all the tokens.
 */
export const textStream = ({ decode }: Pick<Tokenizer, "decode">): TextStream => {
  let pending: number[] = [];
  let given = 0;
  const take = (text: string): string => {
    const fresh = text.slice(given);
    given = text.length;
    return fresh;
  };
  return {
    push: (id) => {
      pending.push(id);
      const text = decode(pending);
      const complete = text.replace(/\uFFFD+$/, "");
      const fresh = take(complete);
      if (complete.length === text.length) {
        pending = [];
        given = 0;
      }
      return fresh;
    },
    end: () => take(decode(pending)),
  };
};
