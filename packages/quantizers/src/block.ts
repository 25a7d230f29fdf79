import { type Asset, assetsOf, layoutOf, partBytes, type TensorScheme } from "@kvtuner/plan";
import type { CodecContext } from "./codecs/codec.ts";
import { codecOf } from "./codecs/registry.ts";
import { assertEncodable, QuantizerError } from "./encodable.ts";
import type { EncodedBlock } from "./encoded-block.ts";

/** Where a block is from. Most codecs need none of it. */
export interface BlockContext {
  /** The assets of the plan, for schemes that name some. */
  readonly assets?: readonly Asset[] | undefined;
  /** KV head of the block; 0 by default. */
  readonly head?: number;
  /** Position in the sequence of the first token; 0 by default. */
  readonly position?: number;
}

/** The context of a codec, from that of a block. */
export const codecContext = (
  scheme: TensorScheme,
  { assets, head = 0, position = 0 }: BlockContext = {},
): CodecContext => ({ assets: assetsOf(scheme, assets), head, position });

/**
 * Encodes one KV head's `x`, float32 `[tokens, headSize]`. Groups start at the first token.
 *
 * @throws AssetError when the plan's assets lack one that the scheme names
 * @throws QuantizerError `QUANTIZER_NAN`, `QUANTIZER_INFINITE` or `QUANTIZER_OVERFLOW` for numbers beyond float16, before
 *   or after a transform; `QUANTIZER_SHAPE` when `x` has another length; `QUANTIZER_SCHEME` for an impossible group
 */
export const encodeBlock = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
  context?: BlockContext,
): EncodedBlock => {
  assertBlock(x, tokens, headSize);
  return codecOf(scheme).encode(x, tokens, headSize, scheme, codecContext(scheme, context));
};

/** Rejects numbers that no codec takes. Throws as {@link encodeBlock}. */
export const assertBlock = (x: Float32Array, tokens: number, headSize: number): void => {
  assertLength("numbers", x.length, tokens * headSize);
  assertEncodable(x, "in the block");
};

/**
 * Decodes a block to float32 `[tokens, headSize]`.
 *
 * @throws AssetError when the plan's assets lack one that the scheme names
 * @throws QuantizerError `QUANTIZER_SHAPE` when an array has another length than the scheme's layout
 */
export const decodeBlock = (
  encoded: EncodedBlock,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
  context?: BlockContext,
): Float32Array => {
  for (const { name, elements } of layoutOf(scheme, { tokens, headSize }))
    assertLength(name, encoded[name]?.length ?? 0, elements);
  return codecOf(scheme).decode(encoded, tokens, headSize, scheme, codecContext(scheme, context));
};

/** Bytes of an encoded block, all parts together. */
export const encodedBytes = (tokens: number, headSize: number, scheme: TensorScheme): number =>
  layoutOf(scheme, { tokens, headSize }).reduce((sum, part) => sum + partBytes(part), 0);

const assertLength = (what: string, got: number, expected: number): void => {
  if (got !== expected)
    throw new QuantizerError(
      "QUANTIZER_SHAPE",
      `expected ${expected} ${what}, got ${got}; pass the tokens, head size and scheme of the block`,
    );
};
