import type { CacheSession, FeedOptions } from "./cache-session.ts";
import { generate, type GenerateOptions } from "./generate.ts";

/** Options of {@link generateOn}. */
export interface GenerateOnOptions extends Omit<GenerateOptions, "next"> {
  /** Progress of feeding the part of the prompt that is not cached. */
  readonly onProgress?: FeedOptions["onProgress"];
}

/** Same as {@link generate}, on a cache: reuses the common prefix of the prompt and the cached tokens. */
export const generateOn = (
  session: CacheSession,
  { onProgress, ...options }: GenerateOnOptions,
): AsyncGenerator<number, void, undefined> => {
  const feeding: FeedOptions = { ...(onProgress && { onProgress }), ...(options.signal && { signal: options.signal }) };
  let started = false;
  const next = async (ids: Int32Array): Promise<Float32Array> => {
    if (started) return session.append(ids);
    started = true;
    return session.prompt(ids, feeding);
  };
  return generate({ ...options, next });
};
