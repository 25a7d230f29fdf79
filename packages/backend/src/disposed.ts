import { KvtunerError } from "@kvtuner/plan";

/**
 * Checks that a cache or backend is not disposed of.
 *
 * @param what "cache" or "backend", for the message
 * @throws DisposedError `BACKEND_DISPOSED`
 */
export const assertAlive = (disposed: boolean, what: "cache" | "backend"): void => {
  if (disposed) throw new DisposedError(what);
};

/** Use after `dispose()`. Disposing again is allowed. */
export class DisposedError extends KvtunerError {
  constructor(what: "cache" | "backend") {
    super("BACKEND_DISPOSED", `expected a ${what} before dispose(), got one after it; create a new ${what}`);
    this.name = "DisposedError";
  }
}
