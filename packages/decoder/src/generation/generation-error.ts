import { KvtunerError } from "@kvtuner/plan";

/** A generation that cannot go on; `code` says why. */
export class GenerationError extends KvtunerError {
  override readonly name = "GenerationError";
}
