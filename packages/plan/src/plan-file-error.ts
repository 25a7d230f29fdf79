import { KvtunerError } from "./error.ts";

/** A plan that cannot be read or written, or belongs to another model; `code` says which. */
export class PlanFileError extends KvtunerError {
  override readonly name = "PlanFileError";
}
