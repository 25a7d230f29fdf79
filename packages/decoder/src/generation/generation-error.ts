import { KvtunerError } from "@kvtuner/plan";

/** @throws GenerationError `GENERATION_EMPTY_PROMPT` for an empty prompt */
export const assertNotEmpty = (ids: ArrayLike<number>): void => {
  if (ids.length > 0) return;
  throw new GenerationError(
    "GENERATION_EMPTY_PROMPT",
    "expected a prompt of at least one token, got none; pass a text",
  );
};

/** A generation that cannot continue; `code` tells why. */
export class GenerationError extends KvtunerError {
  override readonly name = "GenerationError";
}
