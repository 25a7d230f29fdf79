import type { Tokenizer } from "./tokenizer.ts";

/** Text of tokens that arrive one by one. */
export interface TextStream {
  /** Adds a token; returns the text completed by it, possibly empty. */
  push(id: number): string;
  /** Returns the rest; bytes of an incomplete character become U+FFFD. */
  end(): string;
}

/**
 * Decodes token by token. Holds back the bytes of an incomplete character until the rest arrives. The returned texts,
 * joined, equal `decode` of all tokens, or what that adds to the text of the tokens `after` which they come: `decode` may
 * drop a space at the start of a text.
 */
export const textStream = ({ decode }: Pick<Tokenizer, "decode">, after: ArrayLike<number> = []): TextStream => {
  let context = Array.from(after);
  let pending: number[] = [];
  let given = 0;
  const pendingText = (): string => decode([...context, ...pending]).slice(decode(context).length);
  const take = (text: string): string => {
    const fresh = text.slice(given);
    given = text.length;
    return fresh;
  };
  return {
    push: (id) => {
      pending.push(id);
      const text = pendingText();
      const complete = text.replace(/\uFFFD+$/, "");
      const fresh = take(complete);
      if (complete !== "" && complete.length === text.length) {
        context = pending;
        pending = [];
        given = 0;
      }
      return fresh;
    },
    end: () => take(pendingText()),
  };
};
