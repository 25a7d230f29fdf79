import { Argument, Command } from "commander";
import { bashCompletion } from "./completion/bash.ts";
import { programWords } from "./completion/command-words.ts";
import { fishCompletion } from "./completion/fish.ts";
import { zshCompletion } from "./completion/zsh.ts";
import { examples } from "./examples.ts";
import type { Terminal } from "./terminal.ts";

const WRITERS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

type Shell = keyof typeof WRITERS;

/** `kvtuner completion SHELL`, for the program that the command belongs to. */
export const completionCommand = (terminal: Terminal): Command =>
  new Command("completion")
    .description("print a script that completes commands, options and their values in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(WRITERS)))
    .addHelpText("after", EXAMPLES)
    .action((shell: Shell, _flags: object, command: Command) => {
      terminal.out(WRITERS[shell](programWords(command.parent ?? command)));
    });

const EXAMPLES = examples([
  ["kvtuner completion bash >> ~/.bashrc", "bash, from the next shell on"],
  ["kvtuner completion zsh >> ~/.zshrc", "zsh, after compinit"],
  ["kvtuner completion fish > ~/.config/fish/completions/kvtuner.fish", "fish"],
]);
