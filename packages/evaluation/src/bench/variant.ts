/** How a variant stores its cache. */
export type VariantKind = "plan" | "float32" | "peer";

/**
 * One way to hold a cache and run the model on it, with a sequence of its own. Variants are timed in turns, so each keeps
 * its sequence between calls.
 */
export interface Variant {
  /** The plan as it was given, `float32`, or a name that the peer gives. */
  readonly name: string;
  readonly kind: VariantKind;
  /** Threads that attend to the cache; undefined where the caller passes a backend, which does not tell. */
  readonly threads: number | undefined;
  /** Bytes of the cache at `length` tokens. */
  bytesAt(length: number): number;
  /** Appends tokens in one call and computes the logits of the last one; returns milliseconds. */
  prefill(ids: Int32Array): Promise<number>;
  /** Appends synthetic keys and values until `length` tokens are held; untimed. */
  fill(length: number): Promise<void>;
  /**
   * Appends tokens one by one, computes the logits of each and finds the largest; then forgets the tokens.
   *
   * @returns milliseconds of each token
   */
  decode(ids: Int32Array): Promise<number[]>;
  /** Forgets all tokens. */
  clear(): Promise<void>;
  /** Frees the memory. */
  dispose(): Promise<void>;
}
