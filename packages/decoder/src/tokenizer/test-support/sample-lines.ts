import parts from "./line-parts.json" with { type: "json" };

/** Code points of each script, in order. */
const SCRIPTS = Object.values(parts.scripts).map((ranges) =>
  ranges.flatMap((range) => {
    const [first, last] = range.split("-").map((code) => Number.parseInt(code, 16)) as [number, number];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  }),
);

/** Lines of words in many scripts, code, emoji, special tokens and unusual spaces. `tokenizer_lines.py` makes the same. */
export const sampleLines = (count: number, seed: number): string[] => {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state * limit) / 2 ** 32);
  };
  const from = <Entry>(entries: readonly Entry[]): Entry => entries[below(entries.length)]!;
  const word = (): string => {
    const script = from(SCRIPTS);
    return String.fromCodePoint(...Array.from({ length: 1 + below(8) }, () => from(script)));
  };
  const line = (): string =>
    Array.from(
      { length: 1 + below(9) },
      () => (below(2) === 0 ? word() : from(parts.snippets)) + from(parts.gaps),
    ).join("");
  return Array.from({ length: count }, line);
};

/** FNV-1a of the numbers of every 50 rows, as in `tokenizer_lines.py`, or of every `count`. */
export const hashRows = (rows: readonly Iterable<number>[], count = 50): number[] => {
  const result: number[] = [];
  for (const [index, row] of rows.entries()) {
    let value = index % count === 0 ? 0x811c9dc5 : result.pop()!;
    for (const number of [...row, 0xffffffff]) value = Math.imul(value ^ number, 0x01000193) >>> 0;
    result.push(value);
  }
  return result;
};
