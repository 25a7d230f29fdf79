/** What a variant stores its cache as. */
export type VariantKind = "plan" | "float32" | "peer";

/**
 * One way to hold a cache and run the model on it, with a sequence of its own. Variants are timed in turns, so each keeps
 * its sequence between two calls.
 */
export interface Variant {
  /** The plan as it was given, `float32`, or the name that a peer has given. */
  readonly name: string;
  readonly kind: VariantKind;
  /** Threads that attend to the cache; undefined where a backend of the caller's does not tell. */
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
  /** Gives the memory back. */
  dispose(): Promise<void>;
}
