import type { Backend, CachePlan } from "@kvtuner/backend";
import { type Decoder, FloatAttention, forward, GREEDY, sampleToken, type SequenceCache } from "@kvtuner/decoder";
import { layerShapes, type Plan, planBytes, storedNumbers } from "@kvtuner/plan";
import { syntheticNumbers, syntheticSnapshot } from "./synthetic-snapshot.ts";
import type { Variant } from "./variant.ts";

/** Input of {@link openOwnVariants}. */
export interface OwnVariants {
  /** Plans, and their names in the report. */
  readonly plans: readonly { readonly name: string; readonly plan: Plan }[];
  /** Stores the plans' caches. */
  readonly backend: Backend;
  /** Threads that the backend attends on; undefined if it does not say. */
  readonly threads: number | undefined;
  /** Threads of the decoder, which attends to the float cache; without them there is no float cache. */
  readonly floatThreads?: number;
  /** Seed of synthetic keys and values. */
  readonly seed: number;
  /** Loads the model; called when all caches exist. */
  readonly load: () => Promise<Decoder>;
}

/**
 * One variant for each plan and, last, one for the decoder's float32 cache.
 *
 * @throws KvtunerError for a plan that the backend cannot store
 */
export const openOwnVariants = async (options: OwnVariants): Promise<Variant[]> => {
  const { plans, backend, threads, floatThreads, seed, load } = options;
  const caches: FillableCache[] = [];
  try {
    for (const { plan } of plans) caches.push(await packedCache(backend, plan, seed));
    const decoder = await load();
    const variants = plans.map(({ name, plan }, index) =>
      ownVariant(decoder, caches[index]!, {
        name,
        kind: "plan",
        threads,
        bytesAt: (length) => planBytes(plan, length).total,
      }),
    );
    return floatThreads === undefined ? variants : [...variants, floatVariant(decoder, floatThreads, seed)];
  } catch (error) {
    await Promise.all(caches.map((cache) => cache.dispose()));
    throw error;
  }
};

const FLOAT_BYTES = 4;

const floatVariant = (decoder: Decoder, threads: number, seed: number): Variant =>
  ownVariant(decoder, floatCache(decoder, seed), {
    name: "float32",
    kind: "float32",
    threads,
    bytesAt: (length) => FLOAT_BYTES * storedNumbers(decoder.shape, length),
  });

/** The decoder's segments around one of our caches. */
const ownVariant = (
  decoder: Decoder,
  held: FillableCache,
  description: Pick<Variant, "name" | "kind" | "threads" | "bytesAt">,
): Variant => ({
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

/** Appends tokens and finds the likeliest next one; returns milliseconds. */
const timedStep = async (decoder: Decoder, cache: SequenceCache, ids: Int32Array): Promise<number> => {
  const start = performance.now();
  const positions = Int32Array.from(ids, (_, index) => cache.length + index);
  // Cached tokens are synthetic, and so is the state after them.
  const states = [decoder.createState(cache.length)];
  sampleToken(await decoder.lastLogits(await forward(decoder, ids, positions, cache, 1, states)), GREEDY);
  return performance.now() - start;
};

/** A cache that can be filled without the model. */
interface FillableCache {
  /** A new cache after each `fill`. */
  readonly cache: SequenceCache;
  /** Fills the cache with `length` synthetic tokens. */
  fill(length: number): Promise<void>;
  dispose(): Promise<void>;
}

const packedCache = async (backend: Backend, plan: CachePlan, seed: number): Promise<FillableCache> => {
  let cache = await backend.createCache(plan.shape, plan);
  return {
    get cache() {
      return cache;
    },
    fill: async (length) => {
      const snapshot = await syntheticSnapshot(plan, length, seed);
      await cache.dispose();
      cache = await backend.restoreCache(plan.shape, plan, snapshot);
    },
    dispose: () => cache.dispose(),
  };
};

const PIECE_TOKENS = 512;

const floatCache = ({ shape, attention }: Decoder, seed: number): FillableCache => {
  const cache = new FloatAttention(shape, attention);
  const widths = layerShapes(shape).map(({ kvHeads, headSize }) => kvHeads * headSize);
  return {
    cache,
    fill: async (length) => {
      const numbers = syntheticNumbers(PIECE_TOKENS, Math.max(...widths), seed);
      while (cache.length < length) {
        const tokens = Math.min(PIECE_TOKENS, length - cache.length);
        for (const [layer, width] of widths.entries()) {
          const rows = numbers.subarray(0, tokens * width);
          cache.append(layer, rows, rows);
        }
      }
    },
    dispose: async () => cache.truncate(0),
  };
};
