import type { SchemeAssets } from "@kvtuner/plan";
import type { BlockErrorBounds } from "../bounds/block-errors.ts";
import type { EncodedBlock } from "../encoded-block.ts";

/** Rows are tokens; each holds the heads side by side: row-major `[tokens, heads * headSize]`. */
export interface RowLayout {
  readonly tokens: number;
  readonly heads: number;
  readonly headSize: number;
}

/** What a codec may need beside the numbers. */
export interface CodecContext {
  /** The assets that the scheme names, by field. */
  readonly assets: SchemeAssets;
  /** The KV head of the block, for tables that differ by head. */
  readonly head: number;
  /** Position in the sequence of the first token, for keys that are coded before RoPE. */
  readonly position: number;
}

/**
 * The arithmetic of one codec. Sizes, labels and valid fields are in its format in `@kvtuner/plan`. Arguments are already
 * checked: `x` has `tokens * headSize` finite numbers of one KV head within float16's range, arrays fit the layout, and
 * the context's assets are those that the format accepts.
 */
export interface Codec<Scheme, Block extends EncodedBlock = EncodedBlock> {
  /** Encodes `x`, float32 `[tokens, headSize]`. Throws as `encodeBlock`. */
  encode(x: Float32Array, tokens: number, headSize: number, scheme: Scheme, context: CodecContext): Block;
  /** Decodes a block to float32 `[tokens, headSize]`. */
  decode(encoded: Block, tokens: number, headSize: number, scheme: Scheme, context: CodecContext): Float32Array;
  /** Encodes and decodes whole blocks of `data` in place, bit for bit; float32 `[tokens, heads * headSize]`. */
  roundTrip(data: Float32Array, layout: RowLayout, scheme: Scheme, context: Omit<CodecContext, "head">): void;
  /** Largest change of `x` by encoding and decoding it. */
  bound(x: Float32Array, tokens: number, headSize: number, scheme: Scheme, context: CodecContext): BlockErrorBounds;
}
