import { type CacheShape, KvtunerError } from "@kvtuner/plan";
import type { CacheLimits } from "./capabilities.ts";

/** A call of `attend` before it appends. */
export interface Append {
  readonly layer: number;
  readonly tokens: number;
  /** Tokens that each layer holds before the call. */
  readonly lengths: readonly number[];
  /** Bytes of the cache after the call, over all layers. */
  readonly bytesAfter: number;
}

/**
 * Checks that a call may append. Layers are attended in order: a layer may run ahead of the next one, but never holds more
 * tokens than the one before it.
 *
 * @throws LayerOrderError `BACKEND_LAYER_ORDER`
 * @throws CacheFullError `BACKEND_TOO_LONG` beyond `maxTokens`
 * @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` beyond `maxCacheBytes`
 */
export const assertAppend = ({ layer, tokens, lengths, bytesAfter }: Append, limits: CacheLimits): void => {
  const length = lengths[layer]! + tokens;
  if (layer > 0 && length > lengths[layer - 1]!)
    throw new LayerOrderError(
      `expected layer ${layer - 1} to hold ${length} tokens before layer ${layer} does, got ${lengths[layer - 1]}; call attend for the layers in order`,
    );
  assertFits(length, bytesAfter, limits);
};

/**
 * Checks a cache's tokens and bytes against the limits, before restoring a snapshot and before truncating.
 *
 * @throws CacheFullError `BACKEND_TOO_LONG` beyond `maxTokens`
 * @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` beyond `maxCacheBytes`
 */
export const assertFits = (tokens: number, sizeBytes: number, { maxTokens, maxCacheBytes }: CacheLimits): void => {
  if (tokens > maxTokens) throw new CacheFullError(tokens, maxTokens);
  if (sizeBytes > maxCacheBytes) throw new OutOfMemoryError(sizeBytes, maxCacheBytes);
};

/**
 * The length that all layers agree on, for operations on whole tokens: `snapshot` and `retune`.
 *
 * @throws LayerOrderError `BACKEND_LAYER_ORDER` in the middle of a token
 */
export const evenLength = (lengths: readonly number[]): number => {
  const length = lengths.at(-1)!;
  if (lengths[0] === length) return length;
  throw new LayerOrderError(
    `expected all layers to hold the same tokens, got ${lengths[0]} in layer 0 and ${length} in the last one; finish the token, or truncate(${length})`,
  );
};

/**
 * Checks that every layer that shares the cache of `layer` has read its tokens, before it appends again.
 *
 * @param readLengths tokens of the other layer's cache that each sharing layer has read
 * @throws LayerOrderError `BACKEND_LAYER_ORDER`
 */
export const assertAllRead = (
  { sharing = [] }: Pick<CacheShape, "sharing">,
  layer: number,
  length: number,
  readLengths: readonly number[],
): void => {
  const index = sharing.findIndex(({ cacheOf }, place) => cacheOf === layer && readLengths[place] !== length);
  if (index < 0) return;
  throw new LayerOrderError(
    `expected sharing layer ${index} to read the ${length} tokens of layer ${layer} first, got ${readLengths[index]} of them read; call read for it, or truncate(${readLengths[index]})`,
  );
};

/** Layers were attended out of order, or an operation on the whole cache was called in the middle of a token. */
export class LayerOrderError extends KvtunerError {
  constructor(message: string) {
    super("BACKEND_LAYER_ORDER", message);
    this.name = "LayerOrderError";
  }
}

/** More tokens than the backend can hold; the cache is unchanged. */
export class CacheFullError extends KvtunerError {
  constructor(tokens: number, maxTokens: number) {
    super(
      "BACKEND_TOO_LONG",
      `expected at most ${maxTokens} tokens in the cache, got ${tokens}; shorten the text, or choose a backend with a higher limit`,
    );
    this.name = "CacheFullError";
  }
}

/** More bytes than the backend may use, or than the machine has; the cache is unchanged. */
export class OutOfMemoryError extends KvtunerError {
  readonly neededBytes: number;
  readonly limitBytes: number;

  /** @param options what is full; by default a cache */
  constructor(neededBytes: number, limitBytes: number, options: OutOfMemoryOptions = {}) {
    super("BACKEND_OUT_OF_MEMORY", outOfMemoryMessage(neededBytes, limitBytes, options), options);
    this.name = "OutOfMemoryError";
    this.neededBytes = neededBytes;
    this.limitBytes = limitBytes;
  }
}

/** Details of an out-of-memory error. */
export interface OutOfMemoryOptions {
  /** The memory that is full, with its article. */
  readonly what?: string;
  /** True if `neededBytes` are additional to memory in use, and may be few; false if they are the whole request. */
  readonly isFull?: boolean;
  /** Bytes of `limitBytes` that the backend uses, if `isFull`; others may use the rest. */
  readonly heldBytes?: number;
  /** Remedy, as an imperative; by default a coarser plan, a shorter text or a higher limit. */
  readonly advice?: string;
  readonly cause?: unknown;
}

const PLAN_ADVICE = "choose a coarser plan or a shorter text, or raise the limit";

const outOfMemoryMessage = (
  neededBytes: number,
  limitBytes: number,
  { what = "a cache", isFull = false, heldBytes, advice = PLAN_ADVICE }: OutOfMemoryOptions,
): string => {
  if (!isFull)
    return `expected at most ${limitBytes} bytes in ${what}, got a call that needs ${neededBytes}; ${advice}`;
  const held = heldBytes === undefined ? "" : `, and this backend uses ${heldBytes} of ${limitBytes} bytes`;
  return `${what} is full: a call needs ${neededBytes} more bytes${held}; choose a coarser plan or a shorter text, dispose of other caches, or end other programs that use it`;
};
