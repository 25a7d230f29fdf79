import { type Asset, assetsOf, layoutOf, partBytes, type TensorScheme } from "@kvtuner/plan";
import { codecOf } from "./codecs/registry.ts";
import { assertEncodable, QuantizerError } from "./encodable.ts";
import type { EncodedBlock } from "./encoded-block.ts";

/**
 * Encodes one KV head's `x`, float32 `[tokens, headSize]`. Groups start at the first token.
 *
 * @param assets those of the plan, for schemes that name some
 * @throws AssetError when they lack one
 * @throws QuantizerError `QUANTIZER_NAN`, `QUANTIZER_INFINITE` or `QUANTIZER_OVERFLOW` for numbers beyond float16, before
 *   or after a transform; `QUANTIZER_SHAPE` when `x` has another length; `QUANTIZER_SCHEME` for an impossible group
 */
export const encodeBlock = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
  assets?: readonly Asset[],
): EncodedBlock => {
  assertBlock(x, tokens, headSize);
  return codecOf(scheme).encode(x, tokens, headSize, scheme, assetsOf(scheme, assets));
};

/** Rejects numbers that no codec takes. Throws as {@link encodeBlock}. */
export const assertBlock = (x: Float32Array, tokens: number, headSize: number): void => {
  assertLength("numbers", x.length, tokens * headSize);
  assertEncodable(x, "in the block");
};

/**
 * Decodes a block to float32 `[tokens, headSize]`.
 *
 * @param assets those of the plan, for schemes that name some
 * @throws AssetError when they lack one
 * @throws QuantizerError `QUANTIZER_SHAPE` when an array has another length than the scheme's layout
 */
export const decodeBlock = (
  encoded: EncodedBlock,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
  assets?: readonly Asset[],
): Float32Array => {
  for (const { name, elements } of layoutOf(scheme, { tokens, headSize }))
    assertLength(name, encoded[name]?.length ?? 0, elements);
  return codecOf(scheme).decode(encoded, tokens, headSize, scheme, assetsOf(scheme, assets));
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
