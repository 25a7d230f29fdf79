import type { Command, Option } from "commander";

/** A word that can be typed, and what it means. */
export interface Word {
  readonly text: string;
  readonly description: string;
}

/** An option in its long form, like `--mode`. */
export interface OptionWord extends Word {
  readonly takesValue: boolean;
  /** Values it takes; empty where any will do. */
  readonly choices: readonly string[];
}

/** What can be typed after a command's name. */
export interface CommandWords extends Word {
  readonly options: readonly OptionWord[];
  /** Values of its arguments; empty where any will do, a file among them. */
  readonly choices: readonly string[];
}

/** The program's options and what a user sees of its commands. */
export interface ProgramWords {
  readonly name: string;
  readonly options: readonly OptionWord[];
  readonly commands: readonly CommandWords[];
}

/** Reads off a commander program all that a shell can complete. */
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
