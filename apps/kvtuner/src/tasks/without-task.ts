import { OptionKvtunerError } from "@kvtuner/tuning";

import type { TaskRequest } from "./read-task.ts";

/** Options that say how a task is asked. */
type TaskOption = Exclude<keyof TaskRequest, "task" | "seed">;

/** What users set them with. */
const TASK_OPTIONS: Readonly<Record<TaskOption, string>> = {
  prompts: "prompts",
  shots: "shots",
  shotsFrom: "shots-from",
  chat: "chat",
  maxTokens: "max-tokens",
  likelihood: "likelihood",
};

/**
 * Refuses options of a task where there is none: what they ask for would not be done.
 *
 * @throws OptionKvtunerError naming the first of them
 */
export const assertNoTaskOptions = (options: Partial<Pick<TaskRequest, TaskOption>>): void => {
  for (const [key, name] of Object.entries(TASK_OPTIONS)) {
    const value = options[key as TaskOption];
    if (value === undefined || value === false) continue;
    throw new OptionKvtunerError(
      name,
      "given with --task, whose prompts it is about",
      `${value === true ? "it" : value} alone`,
    );
  }
};
