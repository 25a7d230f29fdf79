import { KvtunerError } from "@kvtuner/plan";
import { hasThreads } from "./start-worker.ts";

/** More threads than this do not make one token's attention any faster. */
const MOST_THREADS = 32;

/**
 * The threads that a caller asks for, 1 by default.
 *
 * @throws ThreadsError `BACKEND_THREADS` for a number that is none, or more than one where there can be but one
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

/** Threads that cannot be. */
export class ThreadsError extends KvtunerError {
  constructor(expected: string, got: unknown, advice = "omit it to use one thread") {
    super("BACKEND_THREADS", `expected ${expected}, got ${String(got)}; ${advice}`);
    this.name = "ThreadsError";
  }
}
