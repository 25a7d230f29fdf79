/** Bits of one stored code. 16 means float16, no codes. */
export type Bits = 2 | 3 | 4 | 5 | 6 | 8 | 16;

/** How a group of numbers becomes codes. */
export type Format = "affine" | "symmetric";

/**
 * What a group runs along: `token` groups neighbouring channels of one token and head;
 * `channel` groups neighbouring tokens of one channel (KIVI keys).
 */
export type Axis = "token" | "channel";

/** Numbers in a group; `"head"` is all channels of one head (axis token only). */
export type GroupSize = number | "head";

/** Rotation of the head vector before quantization, undone after decoding. */
export type Transform = "none" | "hadamard";

/** How the keys, or the values, of one layer are stored. */
export interface TensorScheme {
  readonly bits: Bits;
  readonly format: Format;
  readonly axis: Axis;
  readonly groupSize: GroupSize;
  /** Tokens encoded together; a multiple of `groupSize` on axis channel. */
  readonly blockSize: number;
  readonly transform: Transform;
}

/** How one layer stores its cache. */
export interface LayerScheme {
  readonly key: TensorScheme;
  readonly value: TensorScheme;
  /** Newest tokens kept in 16 bits. */
  readonly window: number;
  /** First tokens of the sequence kept in 16 bits. */
  readonly sinks: number;
}

/** The attention shape a cache is made for. Layers are counted among those with a KV cache. */
export interface CacheShape {
  readonly layers: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}
