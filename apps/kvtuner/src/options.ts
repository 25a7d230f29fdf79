import { availableParallelism } from "node:os";

import type { Backend } from "@kvtuner/backend";
import {
  OptionKvtunerError,
  wholeNumber,
  type Limit,
  type OnProgress,
  type StudyChoices,
  type TunableModel,
} from "@kvtuner/tuning";

import type { TaskRequest } from "./tasks/read-task.ts";

/** Options of `tune`; those that it shares with `TaskRequest` go with `task`. */
export interface TuneOptions extends StudyChoices, Partial<Omit<TaskRequest, "seed">> {
  /** Path of a GGUF file, a name that `npm run model` fetches, or a model that was opened already (and stays open). */
  readonly model: string | TunableModel;
  /** Study folder; `studies/MODEL-MODE` by default. */
  readonly out?: string;
  /** Calibration text file; when absent, prompts and answers of the task, the text that comes with the model (`embedded`), or the model's own continuations of our prompts. */
  readonly text?: string;
  /** Limit of the picked plan; the knee of the front by default. */
  readonly limit?: Limit;
  /** Runs the picked plan token by token on a backend and compares its loss with the evaluator's; false by default. */
  readonly verify?: boolean;
  /** That backend, only with `verify`: a name, `cpu` by default, or any backend, which stays the caller's to dispose of. */
  readonly backend?: string | Backend;
  readonly onProgress?: OnProgress;
  /** Told of what was repaired or left out. */
  readonly onWarning?: (message: string) => void;
  /** Stops the run between two evaluations; evaluations so far are saved. */
  readonly signal?: AbortSignal;
}

/**
 * Backend that `verify` runs on; undefined without it.
 *
 * @throws OptionKvtunerError for a backend that nothing would run on.
 */
export const verifyBackend = ({ verify, backend }: TuneOptions): string | Backend | undefined => {
  if (verify === true) return backend ?? "cpu";
  if (backend === undefined) return undefined;
  throw new OptionKvtunerError(
    "backend",
    "used with --verify only",
    `${typeof backend === "string" ? backend : backend.name} alone`,
  );
};

/** Checks a number of threads. Each of a model's sessions starts so many: more than there are cores only take memory. */
export const threadNumber = (threads: number): number =>
  Math.min(wholeNumber("threads", threads, 1), availableParallelism());
