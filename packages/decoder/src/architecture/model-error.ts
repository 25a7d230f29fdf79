import { KvtunerError } from "@kvtuner/plan";

/** A model file that cannot become a decoder; `code` says why. */
export class ModelError extends KvtunerError {
  override readonly name = "ModelError";
}
