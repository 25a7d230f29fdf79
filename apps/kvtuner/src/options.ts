import { availableParallelism } from "node:os";

import type { Backend } from "@kvtuner/backend";
import { formatPair, KvtunerError, parsePair, type Bits, type Mode, type Pair } from "@kvtuner/plan";
import type { Measure } from "@kvtuner/sensitivity";

import type { Limit } from "./pipeline/limit.ts";
import type { Objective } from "./pipeline/objective.ts";
import type { CostKind } from "./pipeline/space.ts";
import { STRATEGIES, type Strategy } from "./pipeline/search.ts";
import type { TunableModel } from "./model/tunable-model.ts";
import type { OnProgress } from "./progress.ts";
import type { TaskRequest } from "./tasks/open-task.ts";

/** Options of `tune`; those that it shares with `TaskRequest` go with `task`. */
export interface TuneOptions extends Partial<Omit<TaskRequest, "seed">> {
  /** Path of a GGUF file, a name that `npm run model` fetches, or a model that was opened already (and stays open). */
  readonly model: string | TunableModel;
  /** Study folder; `studies/MODEL-MODE` by default. */
  readonly out?: string;
  /** What decides beside cost: KL, a task's accuracy, or both; `task` by default with a task, `kl` without. */
  readonly objective?: Objective;
  /** Calibration text file; when absent, prompts and answers of the task, the text that comes with the model (`embedded`), or the model's own continuations of our prompts. */
  readonly text?: string;
  /** `compact` by default. */
  readonly mode?: Mode;
  /** Pairs a layer may take; all of {2, 3, 4, 8} x {2, 3, 4, 8} by default. */
  readonly pairs?: readonly (Pair | string)[];
  /** First tokens kept in 16 bits; the mode's own by default. */
  readonly sinks?: number;
  /** Newest tokens kept in 16 bits; the mode's own by default. */
  readonly window?: number;
  /** Tokens at which bytes are counted; 4096 by default. */
  readonly context?: number;
  /** What the picked plan keeps to; the knee of the front by default. */
  readonly limit?: Limit;
  /** Plans evaluated; 60 by default. */
  readonly evaluations?: number;
  /** Below 2^32; 0 by default. */
  readonly seed?: number;
  /** Calibration windows; 2 by default. */
  readonly windows?: number;
  /** Tokens of a window; 512 by default. */
  readonly windowLength?: number;
  /** `surrogate` by default. */
  readonly strategy?: Strategy;
  /** What pruning measures a layer's pairs by; `kl` by default. */
  readonly measure?: Measure;
  /** What the search minimizes beside KL; `true` by default. */
  readonly cost?: CostKind;
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

/** Options that shape a study, with every default filled in. */
export interface StudyOptions {
  readonly mode: Mode;
  readonly pairs: readonly Pair[];
  readonly context: number;
  readonly sinks?: number;
  readonly window?: number;
  readonly evaluations: number;
  readonly seed: number;
  readonly windows: number;
  readonly windowLength: number;
  readonly strategy: Strategy;
  readonly measure: Measure;
  readonly costKind: CostKind;
  readonly objective: Objective;
}

const BITS: readonly Bits[] = [8, 4, 3, 2];

/** {2, 3, 4, 8} x {2, 3, 4, 8}. */
export const DEFAULT_PAIRS: readonly Pair[] = BITS.flatMap((key) => BITS.map((value) => ({ key, value })));

/**
 * Checks the options of `tune` and fills in defaults.
 *
 * @throws OptionKvtunerError naming the option.
 */
export const studyOptions = (options: TuneOptions): StudyOptions => ({
  mode: oneOf("mode", options.mode ?? "compact", ["per-token", "kivi", "compact"]),
  pairs: pairList(options.pairs ?? DEFAULT_PAIRS),
  context: wholeNumber("context", options.context ?? 4096, 1),
  ...(options.sinks !== undefined && { sinks: wholeNumber("sinks", options.sinks, 0) }),
  ...(options.window !== undefined && { window: wholeNumber("window", options.window, 0) }),
  evaluations: wholeNumber("evaluations", options.evaluations ?? 60, 1),
  seed: seedNumber(options.seed),
  windows: wholeNumber("windows", options.windows ?? 2, 1),
  windowLength: wholeNumber("window-length", options.windowLength ?? 512, 2),
  strategy: oneOf("strategy", options.strategy ?? "surrogate", STRATEGIES),
  measure: oneOf("measure", options.measure ?? "kl", ["kl", "eo"]),
  costKind: oneOf("cost", options.cost ?? "true", ["true", "equivalent"]),
  objective: objectiveOf(options),
});

const objectiveOf = ({ objective, task }: TuneOptions): Objective => {
  const chosen = oneOf("objective", objective ?? (task === undefined ? "kl" : "task"), ["kl", "task", "both"]);
  if (chosen === "kl" || task !== undefined) return chosen;
  throw new OptionKvtunerError("objective", "kl where there is no --task", chosen);
};

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
    "given with --verify, which runs the plan on it",
    `${typeof backend === "string" ? backend : backend.name} alone`,
  );
};

/** Pairs without repeats, named ones parsed. */
export const pairList = (pairs: readonly (Pair | string)[]): Pair[] => {
  const byName = new Map(
    pairs
      .map((pair) => (typeof pair === "string" ? parsePair(pair.trim()) : pair))
      .map((pair) => [formatPair(pair), pair]),
  );
  if (byName.size === 0) throw new OptionKvtunerError("pairs", "at least one pair like K8V4", "none");
  return [...byName.values()];
};

/** Checks a whole number, `minimum` at least and `maximum` at most. */
export const wholeNumber = (name: string, value: number, minimum: number, maximum?: number): number => {
  if (Number.isSafeInteger(value) && value >= minimum && value <= (maximum ?? value)) return value;
  const range = maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  throw new OptionKvtunerError(name, `a whole number ${range}`, String(value));
};

/** Checks a seed, 0 without one: generators have 32 bits of it, and seeds that differ are to draw differently. */
export const seedNumber = (seed = 0): number => wholeNumber("seed", seed, 0, 2 ** 32 - 1);

/** Checks a number of threads. Each of a model's sessions starts so many: more than there are cores only take memory. */
export const threadNumber = (threads: number): number =>
  Math.min(wholeNumber("threads", threads, 1), availableParallelism());

const oneOf = <Choice extends string>(name: string, value: Choice, choices: readonly Choice[]): Choice => {
  if (choices.includes(value)) return value;
  throw new OptionKvtunerError(name, `one of ${choices.join(", ")}`, value);
};

/** An option has a value that makes no sense. */
export class OptionKvtunerError extends KvtunerError {
  constructor(name: string, expected: string, got: string) {
    super("OPTION_INVALID", `expected --${name} to be ${expected}, got ${got}`);
    this.name = "OptionKvtunerError";
  }
}
