import { assertNotEmpty } from "./generation-error.ts";
import { type Sampling, sampleToken } from "./sample-token.ts";

/** Options of {@link generate}. */
export interface GenerateOptions {
  /** Logits `[vocabulary]` after the last of `ids`; called with the prompt first, then with each new token. */
  readonly next: (ids: Int32Array) => Promise<Float32Array>;
  /** Ids to continue; at least one. */
  readonly prompt: Int32Array;
  readonly sampling: Sampling;
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Tokens that end the generation; not part of the output. */
  readonly stopIds?: readonly number[];
  /** Ends the generation with its reason before the next token. */
  readonly signal?: AbortSignal;
}

/**
 * Yields token ids one by one. Does not call `next` for the last token.
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
