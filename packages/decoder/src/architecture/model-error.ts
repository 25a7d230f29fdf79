import { KvtunerError } from "@kvtuner/plan";

/** A model file that cannot be loaded; `code` tells why. */
export class ModelError extends KvtunerError {
  override readonly name = "ModelError";
}
