import type { CacheSession, FeedOptions } from "./cache-session.ts";
import { generate, type GenerateOptions } from "./generate.ts";

/** Options of {@link generateOn}. */
export interface GenerateOnOptions extends Omit<GenerateOptions, "next"> {
  /** Told how many of the prompt's tokens that the cache did not hold yet are fed. */
  readonly onProgress?: FeedOptions["onProgress"];
}

/** As {@link generate}, on a cache: what the prompt and the tokens held have in common is not computed again. */
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
