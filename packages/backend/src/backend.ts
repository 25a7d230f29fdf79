import type { CacheShape, Plan } from "@kvtuner/plan";
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
   */
  createCache(shape: CacheShape, plan: Plan): Promise<KvCache>;
  /** Gives back what the backend holds; its caches are of no use afterwards. */
  dispose(): Promise<void>;
}

/** Bytes a cache takes now, by part. */
export interface CacheBytes {
  readonly codes: number;
  readonly parameters: number;
  readonly exact: number;
  readonly total: number;
}

/** One sequence's cache under a plan. */
export interface KvCache extends Attention {
  /** Tokens held. */
  readonly length: number;
  /** Equals the plan's arithmetic to the byte at every length. */
  bytes(): CacheBytes;
  /** Forgets all tokens from `length` on: prompt reuse, speculative decoding. */
  truncate(length: number): void;
  /** Re-encodes in place under a coarser plan. */
  retune(plan: Plan): Promise<void>;
  /** Versioned and checksummed image of the whole cache. */
  snapshot(): Promise<Uint8Array>;
  /** Gives back the memory; every later call is an error. */
  dispose(): Promise<void>;
}
