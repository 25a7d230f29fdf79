import { formatPair, parsePair, type Bits, type Mode, type Pair } from "@kvtuner/plan";
import type { Measure } from "@kvtuner/sensitivity";

import { oneOf, OptionKvtunerError, seedNumber, wholeNumber } from "../option-values.ts";
import { STRATEGIES, type Strategy } from "../pipeline/search.ts";
import type { Objective } from "../space/objective.ts";
import type { CostKind } from "../space/space.ts";

/** What users choose of a study; everything has a default. */
export interface StudyChoices {
  /** What decides beside cost: KL, a task's accuracy, or both; `task` by default with a task, `kl` without. */
  readonly objective?: Objective;
  /** `compact` by default. */
  readonly mode?: Mode;
  /** Pairs a layer may take; all of {2, 3, 4, 8} x {2, 3, 4, 8} by default. */
  readonly pairs?: readonly (Pair | string)[];
  /** First tokens kept in 16 bits; the mode's own by default. */
  readonly sinks?: number;
  /** Newest tokens kept in 16 bits; the mode's own by default. */
  readonly recent?: number;
  /** Tokens at which bytes are counted; 4096 by default. */
  readonly context?: number;
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
}

/** Options that shape a study, with every default filled in. */
export interface StudyOptions {
  readonly mode: Mode;
  readonly pairs: readonly Pair[];
  readonly context: number;
  readonly sinks?: number;
  readonly recent?: number;
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
 * Checks what users chose and fills in defaults.
 *
 * @throws OptionKvtunerError naming the option.
 */
export const studyOptions = (options: StudyChoices, hasTask = false): StudyOptions => ({
  mode: oneOf("mode", options.mode ?? "compact", ["per-token", "kivi", "compact"]),
  pairs: pairList(options.pairs ?? DEFAULT_PAIRS),
  context: wholeNumber("context", options.context ?? 4096, 1),
  ...(options.sinks !== undefined && { sinks: wholeNumber("sinks", options.sinks, 0) }),
  ...(options.recent !== undefined && { recent: wholeNumber("recent", options.recent, 0) }),
  evaluations: wholeNumber("evaluations", options.evaluations ?? 60, 1),
  seed: seedNumber(options.seed),
  windows: wholeNumber("windows", options.windows ?? 2, 1),
  windowLength: wholeNumber("window-length", options.windowLength ?? 512, 2),
  strategy: oneOf("strategy", options.strategy ?? "surrogate", STRATEGIES),
  measure: oneOf("measure", options.measure ?? "kl", ["kl", "eo"]),
  costKind: oneOf("cost", options.cost ?? "true", ["true", "equivalent"]),
  objective: objectiveOf(options.objective, hasTask),
});

const objectiveOf = (objective: Objective | undefined, hasTask: boolean): Objective => {
  const chosen = oneOf("objective", objective ?? (hasTask ? "task" : "kl"), ["kl", "task", "both"]);
  if (chosen === "kl" || hasTask) return chosen;
  throw new OptionKvtunerError("objective", "kl without --task", chosen);
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
