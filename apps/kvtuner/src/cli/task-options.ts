import { Option, type Command } from "commander";

import { number, paths } from "./arguments.ts";

/** Flags of a command that evaluates prompts. */
export interface TaskFlags {
  readonly task?: readonly string[];
  readonly prompts?: number;
  readonly shots?: number;
  readonly shotsFrom?: string;
  readonly chat?: true;
  readonly maxTokens?: number;
  readonly likelihood?: "sum" | "per-token";
}

/** Adds the options of tasks. They have no defaults here: without --task, passing them is an error. */
export const withTaskOptions = (command: Command): Command =>
  command
    .option(
      "--task <files>",
      "comma-separated task files: JSON Lines with {prompt, answer, compare}, or GSM8K's format",
      paths,
    )
    .option("--prompts <n>", "maximum number of prompts per file (default: all)", number)
    .option("--shots <n>", "number of examples before each prompt (default: 0)", number)
    .option(
      "--shots-from <file>",
      "task file for examples; prompts shown as examples are skipped (default: each task itself)",
    )
    .option("--chat", "format examples and prompt with the model's chat template")
    .option("--max-tokens <n>", "maximum number of tokens per generated answer (default: 256)", number)
    .addOption(
      new Option(
        "--likelihood <kind>",
        "how choices are compared: summed (default) or averaged log-probabilities",
      ).choices(["sum", "per-token"]),
    );
