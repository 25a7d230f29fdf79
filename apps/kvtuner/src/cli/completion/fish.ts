import type { CommandWords, OptionWord, ProgramWords } from "./command-words.ts";

/** A fish script that completes the program's commands, options and choices with descriptions, and otherwise files. */
export const fishCompletion = ({ name, options, commands }: ProgramWords): string => {
  const start = `complete -c ${name} -n __fish_use_subcommand`;
  return [
    `complete -c ${name} -e`,
    ...options.map((option) => `${start}${optionFlags(option)}`),
    ...commands.map(({ text, description }) => `${start} -f -a ${text} -d ${quoted(description)}`),
    ...commands.flatMap((command) => commandLines(name, command)),
    "",
  ].join("\n");
};

const commandLines = (name: string, { text, options, choices }: CommandWords): string[] => {
  const start = `complete -c ${name} -n '__fish_seen_subcommand_from ${text}'`;
  return [
    ...(choices.length > 0 ? [`${start} -f -a ${quoted(choices.join(" "))}`] : []),
    ...options.map((option) => `${start}${optionFlags(option)}`),
  ];
};

const optionFlags = ({ text, description, takesValue, choices }: OptionWord): string => {
  const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : takesValue ? " -r" : "";
  return ` -l ${text.replace(/^--/, "")}${value} -d ${quoted(description)}`;
};

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
