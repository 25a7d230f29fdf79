import type { CacheBytes } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import type { CachePlan } from "./backend.ts";
import type { CacheImage } from "./snapshot/cache-image.ts";

/** The tensors of a call, float32 `[tokens, heads * headSize]`. */
export interface CallRows {
  readonly tokens: number;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** The queries of a layer that shares a cache, float32 `[tokens, queryHeads * headSize]`. */
export interface SharedRows {
  readonly tokens: number;
  readonly query: Float32Array;
  /** True for the last layer that reads these tokens. */
  readonly isLast: boolean;
}

/** Storage behind a cache. Arguments are already validated. A method that throws leaves the store unchanged. */
export interface CacheStore {
  /** Tokens that each layer holds. */
  lengths(): number[];
  /** Appends and attends; float32 `[tokens, queryHeads * headSize]`. */
  attend(layer: number, call: CallRows): Float32Array | Promise<Float32Array>;
  /**
   * The same with all three tensors and the output in device buffers. Numbers are not checked. A store without it accepts no
   * device tensors, whatever its capabilities say.
   */
  attendTensors?(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor>;
  /**
   * Attends as a layer that shares the cache of another. The queries are those of the newest `tokens` tokens of that layer. A
   * layer with a cache that others share keeps what they read, in every form, until the last has read. Needed for the
   * capability `sharedCaches`.
   */
  read?(sharing: number, rows: SharedRows): Float32Array | Promise<Float32Array>;
  /**
   * Waits for the result of the last call, if the device reports it late. Throws if the device rejected the call; the cache is
   * then as it was before it. Called before every call except {@link truncate}, which may come in between.
   */
  settle?(): Promise<void>;
  /** Drops all tokens from `length` on, in every layer. */
  truncate(length: number): void;
  /** Re-encodes under another plan, as if all tokens, decoded and rounded to float16, were appended anew. */
  retune(plan: CachePlan): void | Promise<void>;
  /** Bytes in use, by part. */
  bytes(): CacheBytes;
  /** Contents of a snapshot, by layer. */
  images(): CacheImage["tensors"] | Promise<CacheImage["tensors"]>;
  /** Drops everything. */
  clear(): void | Promise<void>;
}
