/** Steps of `tune`, `evaluate`, `run` and `bench` that take time. */
export type Step =
  | "download"
  | "load"
  | "prefill"
  | "calibrate"
  | "tables"
  | "trace"
  | "profile"
  | "measure"
  | "search"
  | "verify"
  | "float"
  | "evaluate"
  | "fill"
  | "time";

/** Progress of a run. */
export interface Progress {
  readonly step: Step;
  readonly done: number;
  readonly total: number;
  /** What was just done, to show to users. */
  readonly note?: string;
}

/** Receives progress. */
export type OnProgress = (progress: Progress) => void;

/** Callbacks that the steps of a run share. */
export interface Callbacks {
  /** Receives progress. */
  readonly progress: OnProgress;
  /** Receives warnings. */
  readonly warn: (message: string) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** The same callbacks, but each warning is passed on only once. */
export const warnOnce = (callbacks: Callbacks): Callbacks => {
  const passed = new Set<string>();
  const warn = (warning: string): void => {
    if (!passed.has(warning)) callbacks.warn(warning);
    passed.add(warning);
  };
  return { ...callbacks, warn };
};

/** {@link Callbacks} from a function's options. One that is absent does nothing. */
export const callbacksOf = (options: {
  readonly onProgress?: OnProgress;
  readonly onWarning?: (message: string) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}): Callbacks => ({
  progress: options.onProgress ?? (() => undefined),
  warn: options.onWarning ?? (() => undefined),
  ...(options.signal && { signal: options.signal }),
});
