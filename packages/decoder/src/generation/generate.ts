import { assertNotEmpty } from "./generation-error.ts";
import { type Sampling, sampleToken } from "./sample-token.ts";

/** What {@link generate} needs. */
export interface GenerateOptions {
  /** Logits `[vocabulary]` behind the last of `ids`; first called with the prompt, then with each new token alone. */
  readonly next: (ids: Int32Array) => Promise<Float32Array>;
  /** Ids to go on from; at least one. */
  readonly prompt: Int32Array;
  readonly sampling: Sampling;
  /** The most tokens to give. */
  readonly maxTokens: number;
  /** Tokens that end the generation; they are not given. */
  readonly stopIds?: readonly number[];
  /** Ends the generation with its reason before the next token. */
  readonly signal?: AbortSignal;
}

/**
 * Gives token ids one by one. `next` is not called for a token that nothing follows.
 *
 * @throws GenerationError `GENERATION_EMPTY_PROMPT` and those of {@link sampleToken}; the signal's reason when it aborts
 */
export async function* generate(options: GenerateOptions): AsyncGenerator<number, void, undefined> {
  const { next, prompt, sampling, maxTokens, stopIds = [], signal } = options;
  assertNotEmpty(prompt);
  let ids = prompt;
  for (let count = 0; count < maxTokens; count++) {
    signal?.throwIfAborted();
    const logits = await next(ids);
    signal?.throwIfAborted();
    const id = sampleToken(logits, sampling);
    if (stopIds.includes(id)) return;
    yield id;
    ids = Int32Array.of(id);
  }
}
