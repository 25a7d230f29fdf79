/** Adds up milliseconds by step. */
export interface Stopwatch {
  /** Runs work and adds its time to a step. */
  time<Result>(step: string, work: () => Promise<Result>): Promise<Result>;
  /** Whole milliseconds by step, and `total` since the stopwatch was made. */
  timeMs(): Record<string, number>;
}

/** A stopwatch that starts now. */
export const stopwatch = (): Stopwatch => {
  const start = performance.now();
  const steps = new Map<string, number>();
  return {
    time: async (step, work) => {
      const before = performance.now();
      try {
        return await work();
      } finally {
        steps.set(step, (steps.get(step) ?? 0) + performance.now() - before);
      }
    },
    timeMs: () => {
      const entries = [...steps, ["total", performance.now() - start] as const];
      return Object.fromEntries(entries.map(([step, time]) => [step, Math.round(time)]));
    },
  };
};
