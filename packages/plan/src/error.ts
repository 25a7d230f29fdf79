/**
 * Base of every error KVTuner throws on purpose: a stable `code`, a message that says what was expected, what came and
 * what to do, and the original `cause`, if any.
 */
export class KvtunerError extends Error {
  /** Recognizes errors from another copy of this package. */
  readonly brand = "kvtuner" as const;
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "KvtunerError";
    this.code = code;
  }

  /** True for any KvtunerError, even from another copy of this package. */
  static isInstance(error: unknown): error is KvtunerError {
    return error instanceof Error && "brand" in error && error.brand === "kvtuner";
  }
}
