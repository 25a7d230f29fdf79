import type { AttentionSpec } from "./attention.ts";

/** Widths of an affine code, in bits. */
export const CODE_BITS = [2, 3, 4, 5, 6, 8] as const;

/** Bits of one affine code. */
export type Bits = (typeof CODE_BITS)[number];

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

/** Every number as float16. */
export interface Float16Scheme {
  readonly kind: "float16";
}

/** Groups of integer codes with one scale, and one minimum for the format `affine`, each in 16 bits. */
export interface AffineScheme {
  readonly kind: "affine";
  readonly bits: Bits;
  readonly format: Format;
  readonly axis: Axis;
  readonly groupSize: GroupSize;
  /** Tokens encoded together; a multiple of `groupSize` on axis channel. */
  readonly blockSize: number;
  readonly transform: Transform;
}

/** How the keys, or the values, of one layer are coded. */
export type TensorScheme = Float16Scheme | AffineScheme;

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

/** The scheme of tokens that are kept in 16 bits. */
export const FLOAT16: Float16Scheme = { kind: "float16" };

/** Bits of one stored number, parameters not counted. */
export const bitsOf = (scheme: TensorScheme): number => (scheme.kind === "float16" ? 16 : scheme.bits);

/** Tokens that a codec encodes together. */
export const blockTokens = (scheme: TensorScheme): number => (scheme.kind === "float16" ? 1 : scheme.blockSize);

/** Sizes of one layer's attention. */
export interface LayerShape {
  readonly queryHeads: number;
  readonly kvHeads: number;
  /** Numbers of a key, and of a value where `valueSize` is absent. */
  readonly headSize: number;
  readonly valueSize?: number;
  /** Layer whose keys and values this layer reads; it stores none of its own. */
  readonly sharesCacheOf?: number;
  /** How the layer attends; plain causal attention by default. Plan files do not contain it: it is the model's. */
  readonly attention?: AttentionSpec;
}

/**
 * The attention shape a cache is made for. Layers are counted among those with a KV cache. The sizes are those of all layers, but
 * for what `perLayer` says of one; see `layerShape`.
 */
export interface CacheShape extends LayerShape {
  readonly layers: number;
  /** What a layer has differently, one entry for each layer; absent when all layers are equal. */
  readonly perLayer?: readonly Partial<LayerShape>[];
}

/** A scheme in words, for messages. */
export const schemeLabel = (scheme: TensorScheme): string => {
  if (scheme.kind === "float16") return "float16";
  const { bits, format, axis, groupSize, blockSize, transform } = scheme;
  return `${bits}-bit ${format}, axis ${axis}, group ${groupSize}, block ${blockSize}, transform ${transform}`;
};
