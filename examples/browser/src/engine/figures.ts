import type { KvCache } from "@kvtuner/backend";
import { storedNumbers, type CacheBytes } from "@kvtuner/plan";

/** What a generation took so far. */
export interface Figures {
  readonly prompt: { readonly tokens: number; readonly reused: number };
  /** Tokens a second of the prompt's rest, and of what was generated behind it; 0 where there were none. */
  readonly tokensPerSecond: { readonly prefill: number; readonly decode: number };
  readonly generated: number;
  readonly cache: {
    readonly tokens: number;
    readonly bytes: CacheBytes;
    /** What the same tokens take in 16 bits. */
    readonly bytes16: number;
  };
}

const BYTES_16 = 2;

/** Counts a cache's bytes. */
export const cacheFigures = (cache: Pick<KvCache, "bytes" | "length" | "shape">): Figures["cache"] => {
  const bytes16 = BYTES_16 * storedNumbers(cache.shape, cache.length);
  return { tokens: cache.length, bytes: cache.bytes(), bytes16 };
};

/** Measures one generation. */
export interface GenerationClock {
  /** Told of the prompt's tokens fed so far. */
  prefilled(done: number, total: number): void;
  /** Told of each token. */
  token(): void;
  figures(cache: Figures["cache"]): Figures;
}

/** Starts measuring a generation behind a prompt of so many tokens. */
export const generationClock = (promptTokens: number): GenerationClock => {
  const start = performance.now();
  let [fed, reused, generated] = [0, 0, 0];
  let [prefillEnd, end] = [start, start];
  return {
    prefilled: (done, total) => {
      [fed, reused] = [done, promptTokens - total];
      prefillEnd = end = performance.now();
    },
    token: () => {
      generated++;
      end = performance.now();
    },
    figures: (cache) => ({
      prompt: { tokens: promptTokens, reused },
      // The first token comes with the prompt's last logits.
      tokensPerSecond: { prefill: speed(fed, prefillEnd - start), decode: speed(generated - 1, end - prefillEnd) },
      generated,
      cache,
    }),
  };
};

const speed = (tokens: number, timeMs: number): number => (tokens <= 0 || timeMs === 0 ? 0 : (1000 * tokens) / timeMs);
