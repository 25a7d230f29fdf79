import { KvtunerError } from "@kvtuner/plan";

/** A tokenizer that cannot be made or used; `code` says why. */
export class TokenizerError extends KvtunerError {
  override readonly name = "TokenizerError";
}
