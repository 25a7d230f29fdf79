import type { AttentionSpec } from "./attention.ts";
import type { TensorScheme } from "./codecs/registry.ts";

/** The first `sinks` and the newest `recent` tokens are kept in 16 bits; the tokens between them are coded in whole blocks. */
export interface PrefixResidency {
  readonly kind: "prefix";
  readonly sinks: number;
  readonly recent: number;
}

/** Which tokens a layer keeps, and under which codec. */
export type Residency = PrefixResidency;

/** How one layer stores its cache. */
export interface LayerScheme {
  readonly key: TensorScheme;
  readonly value: TensorScheme;
  readonly residency: Residency;
}

/** Sizes of one layer's attention. */
export interface LayerShape {
  readonly queryHeads: number;
  readonly kvHeads: number;
  /** Numbers in a key, and in a value if `valueSize` is absent. */
  readonly headSize: number;
  readonly valueSize?: number;
  /** How the layer attends; plain causal attention by default. Belongs to the model, so plan files leave it out. */
  readonly attention?: AttentionSpec;
  /** Tokens that a query reads, in shapes without `attention`, such as those of plan files; all tokens by default. */
  readonly span?: number;
}

/** A layer without a cache of its own: its queries read the keys and values of another layer. */
export interface SharingLayer {
  /** Its place among all layers with attention, in the model's order; after the layer that it reads. */
  readonly place: number;
  /** The layer that stores them. */
  readonly cacheOf: number;
  readonly queryHeads: number;
  /** How it attends, over a span no larger than that of the other layer; like the other layer by default. */
  readonly attention?: AttentionSpec;
}

/** A layer that keeps a state of fixed size in place of keys and values, such as a short convolution. */
export interface RecurrentLayer {
  /** Its place among all layers of the model. */
  readonly place: number;
  /** What it computes, such as `short convolution`. */
  readonly kind: string;
  /** Bytes of its state, in float32, for one sequence of any length. */
  readonly stateBytes: number;
}

/**
 * The attention shape of a cache. Layers are counted among those with a KV cache. The sizes are those of every layer unless
 * `perLayer` overrides them; see `layerShape`.
 */
export interface CacheShape extends LayerShape {
  readonly layers: number;
  /** How each layer differs, one entry per layer; absent when all layers are equal. */
  readonly perLayer?: readonly Partial<LayerShape>[];
  /** Layers that read the cache of another, in the model's order. They are not among `layers`, and not in plans. */
  readonly sharing?: readonly SharingLayer[];
  /** Layers that do not attend, in the model's order. They are not among `layers`, and not in plans. */
  readonly recurrent?: readonly RecurrentLayer[];
  /**
   * Place of each layer among all layers of the model, ascending, in shapes without `sharing` and `recurrent`, such as those of
   * plan files; the first ones by default.
   */
  readonly places?: readonly number[];
}
