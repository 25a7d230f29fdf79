import type { CacheBytes, CacheShape, Plan } from "@kvtuner/plan";
import type { Attention } from "./attention.ts";
import type { Capabilities } from "./capabilities.ts";

/** Stores packed key/value caches and attends over them. Passed as an argument, never registered by import. */
export interface Backend {
  readonly specVersion: 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Creates an empty cache that stores each layer as `plan` says.
   *
   * @throws UnsupportedSchemeError when `capabilities` lacks a scheme of the plan; there is no silent fallback
   * @throws UnsupportedShapeError when `capabilities` lacks the head size
   * @throws PlanShapeError when `plan` was made for another shape
   * @throws AssetError when a scheme names an asset that `plan` lacks
   */
  createCache(shape: CacheShape, plan: CachePlan): Promise<KvCache>;
  /**
   * Creates a cache with the contents of a {@link KvCache.snapshot} of this or another backend; all share the format.
   *
   * @throws SnapshotError `SNAPSHOT_CORRUPT`, `SNAPSHOT_VERSION`, or `SNAPSHOT_FOREIGN` for another shape or plan
   * @throws CacheFullError and OutOfMemoryError when it exceeds the limits of `capabilities`
   */
  restoreCache(shape: CacheShape, plan: CachePlan, snapshot: Uint8Array): Promise<KvCache>;
  /** Releases everything the backend holds; its caches cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** The part of a plan that a backend needs. */
export type CachePlan = Pick<Plan, "layers" | "shape" | "assets">;

/**
 * One sequence's cache under a plan (batch 1).
 *
 * Keys and values are rounded to float16 on append; everything below refers to the rounded numbers. At length `n` a
 * tensor's quantized prefix is `quantizedPrefix(scheme, layer, n)` tokens, counted after the sinks. A query at position `t`
 * reads the prefix of length `t + 1` decoded and all other tokens in 16 bits. A layer with a span holds only the tokens from
 * `firstHeld` on.
 *
 * Layers are attended in order: a layer may run ahead of the next one, but never holds more tokens than the one before it
 * (LayerOrderError). `snapshot` and `retune` need all layers to hold the same tokens.
 *
 * A call that throws leaves the cache unchanged: TensorError for tensors of the wrong shape, and for NaN, infinity and keys or
 * values beyond float16; CacheFullError beyond `maxTokens`; OutOfMemoryError beyond `maxCacheBytes`. If the device rejects
 * a call with device tensors, the next call throws that error, and the cache is as before the rejected call.
 *
 * Concurrent calls of one cache run in call order, as if each had been awaited. Calls that still wait when the cache or its
 * backend is disposed of throw a DisposedError. The tensors of a call belong to it until it ends.
 */
export interface KvCache extends Required<Attention> {
  readonly shape: CacheShape;
  /** Tokens held by every layer. */
  readonly length: number;
  /** Bytes in use; equals `planBytes(plan, length)` to the byte at every length that all layers hold. */
  bytes(): CacheBytes;
  /**
   * Drops all tokens from `length` on, in every layer, including one that ran ahead: for prompt reuse and speculative decoding.
   * Tokens stored as codes that the prefix rule wants in 16 bits at the new length are decoded and rounded to float16. The cache
   * may then take more bytes than before. An error leaves it unchanged.
   *
   * @throws TruncateError `BACKEND_TRUNCATE` when `length` is not an integer from 0 to `this.length`,
   *   `BACKEND_TRUNCATE_DROPPED` when a layer has dropped tokens that a cache of `length` tokens holds
   * @throws CallUnderWayError while another call runs, if the cache would have to wait for it
   * @throws OutOfMemoryError when the remaining tokens take more than `maxCacheBytes`
   */
  truncate(length: number): void;
  /**
   * Re-encodes in place under a coarser plan, as if every token, decoded and rounded to float16, were appended to a new cache.
   * An error leaves the cache unchanged.
   *
   * @throws RetuneError `BACKEND_RETUNE_FINER` when `plan` takes more bytes than the current one at this length,
   *   `BACKEND_RETUNE_DROPPED` when a layer has dropped tokens
   */
  retune(plan: CachePlan): Promise<void>;
  /** Versioned image of the whole cache, with a checksum. */
  snapshot(): Promise<Uint8Array>;
  /** Releases the memory; every later call throws a DisposedError. */
  dispose(): Promise<void>;
}
