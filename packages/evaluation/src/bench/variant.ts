/** How a variant stores its cache. */
export type VariantKind = "plan" | "float32" | "peer";

/**
 * A way to store a cache and run the model on it, with its own sequence. Variants take turns, so each keeps its sequence
 * between calls.
 */
export interface Variant {
  /** The given plan, `float32`, or a name from the peer. */
  readonly name: string;
  readonly kind: VariantKind;
  /** Threads that attend to the cache; undefined if the caller's backend does not say. */
  readonly threads: number | undefined;
  /** Bytes of the cache at `length` tokens. */
  bytesAt(length: number): number;
  /** Appends tokens in one call and computes the logits of the last one; returns milliseconds. */
  prefill(ids: Int32Array): Promise<number>;
  /** Appends, untimed, synthetic keys and values until `length` tokens are held. */
  fill(length: number): Promise<void>;
  /**
   * Appends tokens one by one, computes the logits of each and finds the largest, then drops the tokens.
   *
   * @returns milliseconds of each token
   */
  decode(ids: Int32Array): Promise<number[]>;
  /** Drops all tokens. */
  clear(): Promise<void>;
  /** Frees the memory. */
  dispose(): Promise<void>;
}
