import type { Attention } from "@kvtuner/backend";
import { KvtunerError } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import type { Decoder } from "../decoder.ts";
import { releaseDeviceTensors } from "../device-tensor.ts";
import { forward } from "../forward.ts";
import { HoleBuffers } from "../hole-buffers.ts";
import type { RecurrentState } from "../recurrent-state.ts";
import { assertNotEmpty, GenerationError } from "./generation-error.ts";

/** One sequence's keys and values, which can be truncated: a backend's cache, or `FloatAttention`. */
export interface SequenceCache extends Attention {
  /** Tokens in the cache. */
  readonly length: number;
  /** Drops the tokens from `length` on; throws a TruncateError `BACKEND_TRUNCATE_DROPPED` if it cannot go back so far. */
  truncate(length: number): void;
}

/** Options of a {@link CacheSession}. */
export interface CacheSessionOptions {
  readonly decoder: Decoder;
  /** Only this session may fill it; the caller disposes of it. */
  readonly cache: SequenceCache;
  /** Ids of the tokens already in the cache, as after `restoreCache`; none by default. */
  readonly ids?: ArrayLike<number>;
  /** State of the recurrent layers after those tokens; by default one of no tokens. Only this session may change it. */
  readonly state?: RecurrentState;
  /** Most tokens per run of the segments, which a prompt is split into evenly; 256 by default. */
  readonly chunkTokens?: number;
}

/** How a prompt is fed to a cache. */
export interface FeedOptions {
  /** Called after each chunk. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborts between two chunks. The cache keeps the tokens fed so far. */
  readonly signal?: AbortSignal;
}

const CHUNK_TOKENS = 256;

/**
 * A sequence in a cache. Remembers the cached tokens, so that a new prompt computes only the part after their common
 * prefix.
 */
export class CacheSession {
  readonly #decoder: Decoder;
  readonly #cache: SequenceCache;
  readonly #state: RecurrentState;
  readonly #chunkTokens: number;
  readonly #buffers: HoleBuffers;
  readonly #ids: number[];

  /**
   * @throws GenerationError `GENERATION_CACHE` unless `ids` are as many as the cached tokens and those that the state has
   *   seen
   */
  constructor({ decoder, cache, ids = [], state, chunkTokens = CHUNK_TOKENS }: CacheSessionOptions) {
    this.#decoder = decoder;
    this.#cache = cache;
    this.#state = state ?? decoder.createState();
    this.#chunkTokens = chunkTokens;
    this.#buffers = new HoleBuffers(decoder.shape);
    this.#ids = Array.from(ids);
    this.#assertInStep();
  }

  /** Ids of the cached tokens. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /** What the recurrent layers keep. Only this session may change it. */
  get state(): RecurrentState {
    return this.#state;
  }

  /**
   * Makes the cache hold exactly `ids`, at least one: keeps the longest common prefix, drops the rest and feeds what is
   * missing. Feeds everything again when layers with a span have dropped tokens that the prefix needs, and at least
   * from the last checkpoint before it when recurrent layers have seen tokens after it.
   *
   * @returns float32 logits `[vocabulary]` after the last of `ids`
   * @throws GenerationError `GENERATION_CONTEXT` for more tokens than the model was trained for,
   *   `GENERATION_EMPTY_PROMPT`, `GENERATION_CACHE` when other code has changed the cache
   */
  async prompt(ids: Int32Array, options: FeedOptions = {}): Promise<Float32Array> {
    assertNotEmpty(ids);
    this.#assertInStep();
    this.#assertInContext(ids.length);
    // The last token is always fed: its logits are not stored.
    this.#forget(Math.min(commonPrefix(this.#ids, ids), ids.length - 1));
    return this.append(ids.subarray(this.#ids.length), options);
  }

  /**
   * Appends `ids`, at least one, to the cached tokens; returns and throws like {@link prompt}. After an error the session holds
   * the tokens before the chunk that failed, or none if the cache cannot go back to them.
   */
  async append(ids: Int32Array, { onProgress, signal }: FeedOptions = {}): Promise<Float32Array> {
    assertNotEmpty(ids);
    this.#assertInStep();
    this.#assertInContext(this.#ids.length + ids.length);
    // A small last chunk would cost a pass over all weights; equal chunks need the least memory.
    const chunkTokens = Math.ceil(ids.length / Math.ceil(ids.length / this.#chunkTokens));
    for (let start = 0; ; start += chunkTokens) {
      signal?.throwIfAborted();
      const chunk = ids.subarray(start, start + chunkTokens);
      const residual = await this.#feed(chunk);
      const done = start + chunk.length;
      const logits = await this.#logits(residual, done === ids.length);
      onProgress?.(done, ids.length);
      if (logits) return logits;
    }
  }

  async #feed(ids: Int32Array): Promise<Tensor> {
    const held = this.#ids.length;
    const positions = Array.from(ids, (_, index) => held + index);
    try {
      const residual = await forward(this.#decoder, ids, positions, this.#cache, 1, [this.#state], this.#buffers);
      for (const id of ids) this.#ids.push(id);
      return residual;
    } catch (error) {
      // A failed chunk may be in some layers and not in others.
      this.#truncate(held);
      throw error;
    }
  }

  async #logits(residual: Tensor, wanted: boolean): Promise<Float32Array | undefined> {
    try {
      return wanted ? await this.#decoder.lastLogits(residual) : undefined;
    } finally {
      releaseDeviceTensors(residual);
    }
  }

  #forget(length: number): void {
    if (length < this.#ids.length) this.#truncate(length);
  }

  #truncate(length: number): void {
    const left = truncated(this.#cache, this.#state.truncate(length));
    this.#ids.length = left;
    this.#state.truncate(left);
  }

  /** A cache with other tokens would give wrong logits without an error. */
  #assertInStep(): void {
    const tokens = this.#ids.length;
    if (this.#cache.length === tokens && (this.#state.isEmpty || this.#state.length === tokens)) return;
    throw new GenerationError(
      "GENERATION_CACHE",
      `expected a cache of the session's ${tokens} tokens, got one of ${this.#cache.length}${this.#state.isEmpty ? "" : ` and a state of ${this.#state.length}`}; pass the ids of the tokens in the cache, or an empty cache`,
    );
  }

  #assertInContext(tokens: number): void {
    const { contextLength } = this.#decoder.config;
    if (tokens <= contextLength) return;
    throw new GenerationError(
      "GENERATION_CONTEXT",
      `expected at most ${contextLength} tokens, the context that the model was trained for, got ${tokens}; use a shorter text`,
    );
  }
}

/** Truncates to `length` tokens, or to none if the cache cannot go back to them. Returns the tokens left. */
const truncated = (cache: SequenceCache, length: number): number => {
  try {
    cache.truncate(length);
    return length;
  } catch (error) {
    if (!KvtunerError.isInstance(error) || error.code !== "BACKEND_TRUNCATE_DROPPED") throw error;
    cache.truncate(0);
    return 0;
  }
};

const commonPrefix = (one: ArrayLike<number>, other: ArrayLike<number>): number => {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length++;
  return length;
};
