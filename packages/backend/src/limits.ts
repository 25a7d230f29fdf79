import { KvtunerError } from "@kvtuner/plan";
import type { CacheLimits } from "./capabilities.ts";

/**
 * The limits that a caller sets, capped at the backend's own.
 *
 * @throws LimitError `BACKEND_LIMIT` for a limit that is not a non-negative integer; Infinity means the backend's own
 */
export const limitsWithin = (most: CacheLimits, given: Partial<CacheLimits>): CacheLimits => ({
  maxTokens: limit("maxTokens", most.maxTokens, given.maxTokens),
  maxCacheBytes: limit("maxCacheBytes", most.maxCacheBytes, given.maxCacheBytes),
});

const limit = (name: string, most: number, given: number = most): number => {
  if (Number.isInteger(given) && given >= 0) return Math.min(given, most);
  if (given === Infinity) return most;
  throw new LimitError(name, given);
};

/** A limit that is not a whole number of at least 0, or Infinity. */
export class LimitError extends KvtunerError {
  constructor(name: string, given: number) {
    super(
      "BACKEND_LIMIT",
      `expected ${name} to be a whole number of at least 0, got ${JSON.stringify(given) ?? String(given)}; omit it to use the backend's default`,
    );
    this.name = "LimitError";
  }
}
