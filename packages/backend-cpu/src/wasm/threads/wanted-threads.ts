import { KvtunerError } from "@kvtuner/plan";
import { hasThreads } from "./start-worker.ts";

/** More threads than this do not make one token's attention faster. */
const MOST_THREADS = 32;

/**
 * The number of threads that a caller requests, 1 by default.
 *
 * @throws ThreadsError `BACKEND_THREADS` for an invalid number, or more than one where only one is possible
 */
export const wantedThreads = (threads = 1): number => {
  if (!Number.isInteger(threads) || threads < 1)
    throw new ThreadsError("threads to be a whole number of at least 1", threads);
  if (threads > 1 && !hasThreads())
    throw new ThreadsError("SharedArrayBuffer and workers for more than one thread", "none", ISOLATE);
  return Math.min(threads, MOST_THREADS);
};

const ISOLATE =
  "serve the page cross-origin isolated (Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: " +
  "require-corp), or omit threads";

/** A number of threads that is invalid or not possible here. */
export class ThreadsError extends KvtunerError {
  constructor(expected: string, got: unknown, advice = "omit it to use one thread") {
    super("BACKEND_THREADS", `expected ${expected}, got ${String(got)}; ${advice}`);
    this.name = "ThreadsError";
  }
}
