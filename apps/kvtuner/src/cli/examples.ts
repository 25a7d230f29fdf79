/** A command line, and its effect in a few words. */
export type Example = readonly [line: string, what: string];

/** Text of examples, for the end of a command's `--help`. */
export const examples = (list: readonly Example[]): string =>
  `\nExamples:\n${list.map(([line, what]) => `  # ${what}\n  ${line}`).join("\n")}`;
