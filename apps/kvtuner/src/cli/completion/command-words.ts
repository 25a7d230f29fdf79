import type { Command, Option } from "commander";

/** A word to complete, and its meaning. */
export interface Word {
  readonly text: string;
  readonly description: string;
}

/** An option in its long form, like `--mode`. */
export interface OptionWord extends Word {
  readonly takesValue: boolean;
  /** Allowed values; empty if any are. */
  readonly choices: readonly string[];
}

/** Completions after a command's name. */
export interface CommandWords extends Word {
  readonly options: readonly OptionWord[];
  /** Allowed values of its arguments; empty if any are, such as a file. */
  readonly choices: readonly string[];
}

/** The program's options and what a user sees of its commands. */
export interface ProgramWords {
  readonly name: string;
  readonly options: readonly OptionWord[];
  readonly commands: readonly CommandWords[];
}

/** Reads everything that a shell can complete from a commander program. */
export const programWords = (program: Command): ProgramWords => ({
  name: program.name(),
  options: optionWords(program),
  commands: program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      text: command.name(),
      description: command.description(),
      options: optionWords(command),
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    })),
});

const optionWords = (command: Command): OptionWord[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long)
    .map(optionWord);

const optionWord = ({ long, description, required, optional, argChoices }: Option): OptionWord => ({
  text: long ?? "",
  description,
  takesValue: required || optional,
  choices: argChoices ?? [],
});
