import { LIKELIHOODS } from "@kvtuner/evaluation";
import { choiceOption, flagOption, textOption, wholeOption, type Given } from "../option-table.ts";

/** Options of a task. */
export const TASK_OPTIONS = {
  prompts: wholeOption({ least: 1 }, undefined, "maximum number of prompts per file (default: all)"),
  shots: wholeOption({ least: 0 }, 0, "number of examples before every prompt"),
  shotsFrom: textOption(
    "<file>",
    "task file to take examples from; prompts shown as examples are not evaluated (default: each task itself)",
  ),
  chat: flagOption("apply the model's chat template to examples and prompt"),
  maxTokens: wholeOption({ least: 1 }, 256, "maximum number of tokens of a generated answer"),
  likelihood: choiceOption(LIKELIHOODS, "sum", "how to compare choices: summed or averaged log-probabilities"),
};

/** Options of a task as users give them; the seed draws the examples, 0 by default. */
export type AskOptions = Omit<Given<typeof TASK_OPTIONS>, "shotsFrom"> & { readonly seed?: number };
