/**
 * What this package throws: a stable `code` that starts with `SEARCH_`, and a message that says what was expected, what
 * came and what to do. `KvtunerError.isInstance` of `@kvtuner/plan`, which is too large to import for it, knows it by its
 * brand.
 */
export class SearchError extends Error {
  readonly brand = "kvtuner" as const;
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SearchError";
    this.code = code;
  }
}
