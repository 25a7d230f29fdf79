import { forward, sampleToken, type Decoder, type Sampling } from "@kvtuner/decoder";
import type { HeldCache, TruncatableCache } from "./held-cache.ts";
import type { Variant } from "./variant.ts";

/** What {@link ownVariant} runs. */
export interface OwnVariantParts extends Pick<Variant, "name" | "kind" | "threads" | "bytesAt"> {
  readonly decoder: Decoder;
  readonly held: HeldCache;
}

/** The decoder's segments around one of our caches. */
export const ownVariant = ({ decoder, held, ...description }: OwnVariantParts): Variant => ({
  ...description,
  prefill: (ids) => timedStep(decoder, held.cache, ids),
  fill: (length) => held.fill(length),
  decode: async (ids) => {
    const start = held.cache.length;
    const times: number[] = [];
    for (const id of ids) times.push(await timedStep(decoder, held.cache, Int32Array.of(id)));
    held.cache.truncate(start);
    return times;
  },
  clear: async () => held.cache.truncate(0),
  dispose: () => held.dispose(),
});

/** Appends tokens; returns the logits `[vocabulary]` of the last one. */
export const step = async (decoder: Decoder, cache: TruncatableCache, ids: Int32Array): Promise<Float32Array> => {
  const start = cache.length;
  const positions = Int32Array.from(ids, (_, index) => start + index);
  return decoder.lastLogits(await forward(decoder, ids, positions, cache));
};

/** Takes the likeliest token. */
export const GREEDY: Sampling = { temperature: 0, random: () => 0 };

/** Appends tokens and finds the likeliest one to follow; returns milliseconds. */
const timedStep = async (decoder: Decoder, cache: TruncatableCache, ids: Int32Array): Promise<number> => {
  const start = performance.now();
  sampleToken(await step(decoder, cache, ids), GREEDY);
  return performance.now() - start;
};
