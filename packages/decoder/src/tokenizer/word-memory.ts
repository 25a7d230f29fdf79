const MAX_WORDS = 2 ** 14;
const MAX_LENGTH = 64;

/** Remembers what `compute` returns for short texts. Words repeat, so most are computed once. */
export const wordMemory = <Value>(compute: (word: string) => Value): ((word: string) => Value) => {
  const known = new Map<string, Value>();
  return (word) => {
    const remembered = known.get(word);
    if (remembered !== undefined) return remembered;
    const value = compute(word);
    if (known.size >= MAX_WORDS) known.clear();
    if (word.length <= MAX_LENGTH) known.set(word, value);
    return value;
  };
};
