import type { Asset, CacheShape, LayerScheme } from "@kvtuner/plan";
import type { EncodedBlock } from "@kvtuner/quantizers";

/**
 * Keys or values of one KV head, of the tokens that are held. The quantized prefix is one encoded block. Joining the arrays of
 * consecutive blocks gives the same, because each row of a block fills whole bytes. It has every part of the codec's layout;
 * with 16 bits, or before the first block is full, the parts are empty.
 */
export interface HeadImage {
  readonly prefix: EncodedBlock;
  /** float16 bits `[tokens, headSize]` of all other tokens that are held, oldest first: sinks, the block that is not full, recent tokens. */
  readonly exact: Uint16Array;
}

/** One layer: keys and values of each KV head. */
export interface LayerImage {
  readonly key: readonly HeadImage[];
  readonly value: readonly HeadImage[];
}

/** Contents of a cache, independent of the backend. */
export interface CacheImage {
  readonly shape: CacheShape;
  /** How each layer is stored. */
  readonly layers: readonly LayerScheme[];
  /** The plan's assets. */
  readonly assets?: readonly Asset[];
  /** Tokens that every layer holds. */
  readonly length: number;
  readonly tensors: readonly LayerImage[];
}
