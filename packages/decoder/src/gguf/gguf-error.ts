import { KvtunerError } from "@kvtuner/plan";

/** A file that is not a GGUF file that can be read; `code` says why. */
export class GgufError extends KvtunerError {
  override readonly name = "GgufError";
}
