import { KvtunerError } from "@kvtuner/plan";

/** A tokenizer that cannot be loaded or used; `code` tells why. */
export class TokenizerError extends KvtunerError {
  override readonly name = "TokenizerError";
}
