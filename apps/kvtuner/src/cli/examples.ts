/** A command line, and what it does in a few words. */
export type Example = readonly [line: string, what: string];

/** Text of examples, to stand below the `--help` of a command. */
export const examples = (list: readonly Example[]): string =>
  `\nExamples:\n${list.map(([line, what]) => `  # ${what}\n  ${line}`).join("\n")}`;
