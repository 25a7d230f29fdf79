/** Control characters except newline and tab, marks that reorder text, line separators, and halves of surrogate pairs. */
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu;

/**
 * Escapes everything that a terminal would act on, as in `\u001b`. JSON keeps its meaning, because its strings use the same
 * escapes.
 */
export const printable = (text: string): string =>
  text.replaceAll(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The same in one line, for errors and warnings. */
export const oneLine = (text: string): string => printable(text.trim().replaceAll(/\s*[\r\n]+\s*/g, " "));
