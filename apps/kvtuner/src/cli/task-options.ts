import { Option, type Command } from "commander";

import { number, paths } from "./arguments.ts";

/** What a command that asks prompts was given. */
export interface TaskFlags {
  readonly task?: readonly string[];
  readonly prompts?: number;
  readonly shots?: number;
  readonly shotsFrom?: string;
  readonly chat?: true;
  readonly maxTokens?: number;
  readonly likelihood?: "sum" | "per-token";
}

/** Adds the options that say what is asked, and how. They have no defaults here: without --task, those given are refused. */
export const withTaskOptions = (command: Command): Command =>
  command
    .option(
      "--task <files>",
      "prompts with answers, one file or several with commas; JSON Lines: {prompt, answer, compare}, or GSM8K's format",
      paths,
    )
    .option("--prompts <n>", "the most prompts asked of each file (default: all)", number)
    .option("--shots <n>", "examples in front of every prompt (default: 0)", number)
    .option(
      "--shots-from <file>",
      "task file that examples are drawn from; what they show is not asked (default: each task itself)",
    )
    .option("--chat", "put examples and prompt into the model's chat template")
    .option("--max-tokens <n>", "the most tokens of a generated answer (default: 256)", number)
    .addOption(
      new Option(
        "--likelihood <kind>",
        "what choices are compared by: summed (default) or averaged log-probabilities",
      ).choices(["sum", "per-token"]),
    );
