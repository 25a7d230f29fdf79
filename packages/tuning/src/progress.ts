/** Steps of `tune`, `evaluate`, `run` and `bench` that take time. */
export type Step =
  | "load"
  | "prefill"
  | "calibrate"
  | "trace"
  | "profile"
  | "search"
  | "verify"
  | "float"
  | "evaluate"
  | "fill"
  | "time";

/** Where a run stands. */
export interface Progress {
  readonly step: Step;
  readonly done: number;
  readonly total: number;
  /** What was just done, for people. */
  readonly note?: string;
}

/** Told of every bit of progress. */
export type OnProgress = (progress: Progress) => void;

/** What the steps of a run share: where to report, and when to stop. */
export interface RunContext {
  /** Told of every bit of progress. */
  readonly progress: OnProgress;
  /** Told of what was repaired. */
  readonly warn: (message: string) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** The same context, which tells each warning once. */
export const warnOnce = (context: RunContext): RunContext => {
  const told = new Set<string>();
  const warn = (warning: string): void => {
    if (!told.has(warning)) context.warn(warning);
    told.add(warning);
  };
  return { ...context, warn };
};

/** A {@link RunContext} of the callbacks in a function's options. */
export const runContext = (options: {
  readonly onProgress?: OnProgress;
  readonly onWarning?: (message: string) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}): RunContext => ({
  progress: options.onProgress ?? (() => undefined),
  warn: options.onWarning ?? (() => undefined),
  ...(options.signal && { signal: options.signal }),
});
