/**
 * What this package throws: a stable `code` that starts with `SEARCH_`, and a message that says what was expected, what
 * came and what to do. Its name ends in "KvtunerError", by which `KvtunerError.isInstance` of `@kvtuner/plan` knows it.
 */
export class SearchError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SearchKvtunerError";
    this.code = code;
  }
}
