import { FloatAttention } from "../attention/float-attention.ts";
import type { Decoder } from "../decoder.ts";
import { batchLogits } from "./batch-logits.ts";
import { CacheSession } from "./cache-session.ts";
import { sampleToken, seededRandom } from "./sample-token.ts";

/** Options of {@link batchContinuations}. */
export interface BatchContinuationOptions {
  /** New tokens of each continuation. */
  readonly tokens: number;
  /** 32-bit integer; the same seed gives the same text. */
  readonly seed: number;
  /** Tokens that end a text; never sampled here. */
  readonly endTokens: readonly number[];
  /** Called after each token. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Continues every prompt, ids of at least one token, by the same number of tokens, in one batch on a float cache. Samples at
 * temperature 1 from the whole distribution, which is text as the model sees it. Each prompt has its own generator, so its text
 * does not depend on the others.
 */
export const batchContinuations = async (
  decoder: Decoder,
  prompts: readonly Int32Array[],
  { tokens, seed, endTokens, onProgress }: BatchContinuationOptions,
): Promise<Int32Array[]> => {
  const sequences = [];
  for (const [index, prompt] of prompts.entries()) {
    const cache = new FloatAttention(decoder.shape, decoder.attention);
    const sample = sampler(seed + index, endTokens);
    const state = decoder.createState();
    const ids = [sample(await new CacheSession({ decoder, cache, state }).prompt(prompt))];
    sequences.push({ cache, state, sample, ids });
  }
  for (let done = 1; done < tokens; done++) {
    onProgress?.(done, tokens);
    const newest = sequences.map(({ cache, state, ids }) => ({ cache, state, id: ids.at(-1)! }));
    const logits = await batchLogits(decoder, newest);
    for (const [row, { ids, sample }] of sequences.entries()) ids.push(sample(logits[row]!));
  }
  onProgress?.(tokens, tokens);
  return sequences.map(({ ids }) => Int32Array.from(ids));
};

/** Draws from softmax(logits) without the end tokens. */
const sampler = (seed: number, endTokens: readonly number[]): ((logits: Float32Array) => number) => {
  const random = seededRandom(seed);
  return (logits) => {
    const allowed = logits.slice();
    for (const token of endTokens) if (token < allowed.length) allowed[token] = -Infinity;
    return sampleToken(allowed, { temperature: 1, random });
  };
};
