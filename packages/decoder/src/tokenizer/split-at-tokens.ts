/** Splits a text at tokens; the parts at odd indices are the tokens. */
export type TokenSplitter = (text: string) => string[];

interface Branch {
  readonly next: Map<string, Branch>;
  isToken: boolean;
}

const branch = (): Branch => ({ next: new Map(), isToken: false });

/** Finds tokens by their texts; at each position the longest. */
export const splitAtTokens = (tokens: Iterable<string>): TokenSplitter => {
  const root = branch();
  for (const token of tokens) plant(root, token);
  return (text) => {
    const parts: string[] = [];
    let done = 0;
    for (let start = 0; start < text.length;) {
      const end = longestAt(root, text, start);
      if (end > start) {
        parts.push(text.slice(done, start), text.slice(start, end));
        done = end;
      }
      start = Math.max(end, start + 1);
    }
    return [...parts, text.slice(done)];
  };
};

const plant = (root: Branch, token: string): void => {
  let at = root;
  for (let index = 0; index < token.length; index++) {
    const unit = token[index]!;
    const next = at.next.get(unit) ?? branch();
    at.next.set(unit, next);
    at = next;
  }
  at.isToken = token !== "";
};

/** End of the longest token at `start`, or `start`. */
const longestAt = (root: Branch, text: string, start: number): number => {
  let end = start;
  let at = root.next.get(text[start]!);
  for (let index = start + 1; at; index++) {
    if (at.isToken) end = index;
    at = index < text.length ? at.next.get(text[index]!) : undefined;
  }
  return end;
};
