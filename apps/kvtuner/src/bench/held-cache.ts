import type { Attention, Backend, CachePlan } from "@kvtuner/backend";
import { type AttentionKernel, type Decoder, FloatAttention } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import { syntheticSnapshot } from "./synthetic-snapshot.ts";

/** A cache that can forget its newest tokens: a packed one, or the float one. */
export interface TruncatableCache extends Attention {
  readonly length: number;
  truncate(length: number): void;
}

/** A cache that can be filled without the model. */
export interface HeldCache {
  /** The cache; another one after `fill`. */
  readonly cache: TruncatableCache;
  /** Makes it hold `length` synthetic tokens. */
  fill(length: number): Promise<void>;
  dispose(): Promise<void>;
}

/** A backend's cache under a plan. */
export const holdPlanCache = async (backend: Backend, plan: CachePlan, seed: number): Promise<HeldCache> => {
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

/** The cache in float32 that the decoder has of itself. */
export const holdFloatCache = ({ shape, attention }: Decoder): HeldCache => {
  let filling = false;
  const kernel: AttentionKernel = {
    run: async (layer, call) => (filling ? new Float32Array(call.query.length) : attention.run(layer, call)),
    span: (layer) => attention.span(layer),
    dispose: async () => undefined,
  };
  const cache = new FloatAttention(shape, kernel);
  const append = async (tokens: number): Promise<void> => {
    const rows = (heads: number): Tensor => {
      const width = heads * shape.headSize;
      const numbers = Float32Array.from({ length: tokens * width }, (_, index) => ((index * 7919) % 2001) / 1000 - 1);
      return new Tensor("float32", numbers, [1, tokens, width]);
    };
    const [query, stored] = [rows(shape.queryHeads), rows(shape.kvHeads)];
    for (let layer = 0; layer < shape.layers; layer++) await cache.attend(layer, query, stored, stored);
  };
  return {
    cache,
    fill: async (length) => {
      filling = true;
      while (cache.length < length) await append(Math.min(PIECE_TOKENS, length - cache.length));
      filling = false;
    },
    dispose: async () => cache.truncate(0),
  };
};

const PIECE_TOKENS = 512;
