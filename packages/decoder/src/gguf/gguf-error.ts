import { KvtunerError } from "@kvtuner/plan";

/** A file that is not a readable GGUF file; `code` tells why. */
export class GgufError extends KvtunerError {
  override readonly name = "GgufError";
}
