import type { CacheBytes, CacheShape, Plan } from "@kvtuner/plan";
import type { Attention } from "./attention.ts";
import type { Capabilities } from "./capabilities.ts";

/** Something that can hold packed key/value caches and attend over them. Passed in, never registered by import. */
export interface Backend {
  readonly specVersion: 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Makes an empty cache that stores each layer as `plan` says.
   *
   * @throws UnsupportedSchemeError when the plan asks for what `capabilities` lacks; there is no silent fallback
   * @throws UnsupportedShapeError when `capabilities` lacks the head size
   * @throws PlanShapeError when `plan` was made for another shape
   */
  createCache(shape: CacheShape, plan: CachePlan): Promise<KvCache>;
  /**
   * Makes a cache that goes on where {@link KvCache.snapshot} left off; of this backend or another, for the format is common.
   *
   * @throws SnapshotError `SNAPSHOT_CORRUPT`, `SNAPSHOT_VERSION`, or `SNAPSHOT_FOREIGN` when it holds another shape or plan
   * @throws CacheFullError and OutOfMemoryError when it holds more than `capabilities` allow
   */
  restoreCache(shape: CacheShape, plan: CachePlan, snapshot: Uint8Array): Promise<KvCache>;
  /** Gives back what the backend holds; its caches are of no use afterwards. */
  dispose(): Promise<void>;
}

/** What a backend needs of a plan. */
export type CachePlan = Pick<Plan, "layers" | "shape">;

/**
 * One sequence's cache under a plan (batch 1).
 *
 * Keys and values are rounded to float16 on append; everything below is said of the rounded numbers. At length `n` a
 * tensor's quantized prefix is `quantizedPrefix(scheme, layer, n)` tokens, counted behind the sinks; a query at position
 * `t` reads the prefix of length `t + 1` decoded and all other tokens in 16 bits.
 *
 * Layers are attended in order: a layer may run ahead of the next one, but never holds more tokens than the one before it
 * (LayerOrderError). `snapshot` and `retune` need all layers to hold the same tokens. A call that throws leaves the cache as
 * it was: TensorError for tensors that do not fit, and for NaN, infinity and keys or values that float16 cannot hold;
 * CacheFullError beyond `maxTokens`; OutOfMemoryError beyond `maxCacheBytes`. With tensors on a device, what the device itself refuses
 * is thrown by the next call, and leaves the cache as it was before the call that it is about.
 *
 * Calls of one cache that are made at once are taken in the order in which they were made, as if each had been waited for;
 * what waits when the cache or its backend is disposed of is a DisposedError. The tensors of a call belong to it until it ends.
 */
export interface KvCache extends Attention {
  readonly shape: CacheShape;
  /** Tokens held by every layer. */
  readonly length: number;
  /** Bytes in use; equals `planBytes(plan, length)` to the byte at every length that all layers hold. */
  bytes(): CacheBytes;
  /**
   * Forgets all tokens from `length` on, in every layer, also where one ran ahead: prompt reuse, speculative decoding.
   * What the prefix rule wants in 16 bits at the new length, but is held as codes, is decoded, rounded to float16 and kept
   * so. The cache may then take more bytes than before. An error leaves it as it was.
   *
   * @throws TruncateError when `length` is no whole number from 0 to `this.length`
   * @throws CallUnderWayError while another call is under way, where the cache cannot do without waiting
   * @throws OutOfMemoryError when what is kept takes more than `maxCacheBytes`
   */
  truncate(length: number): void;
  /**
   * Re-encodes in place under a coarser plan: as if every token, decoded and rounded to float16, had been appended to a new
   * cache. An error leaves the cache as it was.
   *
   * @throws RetuneError when `plan` takes more bytes than the current one at this length
   */
  retune(plan: CachePlan): Promise<void>;
  /** Versioned and checksummed image of the whole cache. */
  snapshot(): Promise<Uint8Array>;
  /** Gives back the memory; every later call is a DisposedError. */
  dispose(): Promise<void>;
}
