const PART_LENGTH = 2_000;

/**
 * Splits a long text between a letter and a space before a letter, where every pre-tokenizer here splits too, so the
 * tokens stay the same. Byte-level BPE is quadratic in the length of its input.
 */
export const splitText = (text: string): string[] => {
  const parts: string[] = [];
  let start = 0;
  while (text.length - start > PART_LENGTH) {
    const cut = nextCut(text, start + PART_LENGTH);
    if (cut < 0) break;
    parts.push(text.slice(start, cut));
    start = cut;
  }
  return start < text.length ? [...parts, text.slice(start)] : parts;
};

const nextCut = (text: string, from: number): number => {
  const match = /[a-zA-Z] (?=[a-zA-Z])/g;
  match.lastIndex = from;
  const found = match.exec(text);
  return found ? found.index + 1 : -1;
};
