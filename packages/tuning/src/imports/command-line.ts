/** Words of a command line, with `--flag=value` as two. */
export const wordsOf = (text: string): string[] =>
  text
    .trim()
    .split(/[\s\\]+/)
    .flatMap((word) => {
      const [, flag, value] = /^(-[^=]+)=(.*)$/.exec(word) ?? [];
      return flag === undefined ? [word] : [flag, value!];
    });

/** Values after the last of a flag's names, up to the next flag; `undefined` without the flag. */
export const valuesOf = (words: readonly string[], names: readonly string[]): string[] | undefined => {
  const place = words.findLastIndex((word) => names.includes(word));
  if (place === -1) return undefined;
  const rest = words.slice(place + 1);
  const end = rest.findIndex((word) => word.startsWith("-"));
  return end === -1 ? rest : rest.slice(0, end);
};
