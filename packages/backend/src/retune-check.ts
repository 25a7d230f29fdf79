import { KvtunerError, planBytes } from "@kvtuner/plan";
import type { CachePlan } from "./backend.ts";

/**
 * Checks that `next` takes no more bytes than `current` at this length. Support is checked by `assertPlanSupported`.
 *
 * @throws RetuneError `BACKEND_RETUNE_FINER`
 */
export const assertCoarser = (current: CachePlan, next: CachePlan, length: number): void => {
  const [before, after] = [planBytes(current, length).total, planBytes(next, length).total];
  if (after > before) throw new RetuneError(before, after, length);
};

/** A plan that takes more bytes than the cache's current one: lost precision cannot be restored. */
export class RetuneError extends KvtunerError {
  constructor(beforeBytes: number, afterBytes: number, length: number) {
    super(
      "BACKEND_RETUNE_FINER",
      `expected a plan of at most ${beforeBytes} bytes at ${length} tokens, got one of ${afterBytes}; retune to a coarser plan, or create a new cache`,
    );
    this.name = "RetuneError";
  }
}
