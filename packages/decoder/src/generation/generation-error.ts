import { KvtunerError } from "@kvtuner/plan";

/**
 * Refuses a prompt that nothing follows from.
 *
 * @throws GenerationError `GENERATION_EMPTY_PROMPT`
 */
export const assertNotEmpty = (ids: ArrayLike<number>): void => {
  if (ids.length > 0) return;
  throw new GenerationError(
    "GENERATION_EMPTY_PROMPT",
    "expected a prompt of at least one token, got none; pass a text",
  );
};

/** A generation that cannot go on; `code` says why. */
export class GenerationError extends KvtunerError {
  override readonly name = "GenerationError";
}
