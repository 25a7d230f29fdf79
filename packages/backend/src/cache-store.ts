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

/** Where a cache's numbers are. What it is told has been checked; what throws leaves it as it was. */
export interface CacheStore {
  /** Tokens that each layer holds. */
  lengths(): number[];
  /** Appends and attends; float32 `[tokens, queryHeads * headSize]`. */
  attend(layer: number, call: CallRows): Float32Array | Promise<Float32Array>;
  /**
   * The same with tensors in device buffers, all three of them, and the output in one too; numbers are not looked at. Without
   * it a cache has no device tensors, whatever the capabilities say.
   */
  attendTensors?(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor>;
  /**
   * Waits until it is known what became of the last call, where a device says so late, and throws if it was refused: the cache is
   * then as it was before that call. Asked before every call but {@link truncate}, which may come in between.
   */
  settle?(): Promise<void>;
  /** Forgets all tokens from `length` on, in every layer. */
  truncate(length: number): void;
  /** As if all tokens, decoded and rounded to float16, had been appended under another plan. */
  retune(plan: CachePlan): void | Promise<void>;
  /** Bytes in use, by part. */
  bytes(): CacheBytes;
  /** What a snapshot holds of each layer. */
  images(): CacheImage["tensors"] | Promise<CacheImage["tensors"]>;
  /** Forgets everything. */
  clear(): void | Promise<void>;
}
