import { KvtunerError } from "@kvtuner/plan";

/** What this package throws; `code` starts with `SEARCH_`. */
export class SearchError extends KvtunerError {
  override readonly name = "SearchError";
}
