import type { CodecKind, SchemeOf, TensorScheme } from "@kvtuner/plan";
import { affineCodec } from "./affine.ts";
import { balancedCodec } from "./balanced.ts";
import { blockFormatCodec } from "./block-format.ts";
import { codebookCodec } from "./codebook.ts";
import type { Codec } from "./codec.ts";
import { float8Codec } from "./float8.ts";
import { float16Codec } from "./float16.ts";
import { transformCodec } from "./transform.ts";

/** All codecs, by kind. */
export const CODECS: { readonly [Kind in CodecKind]: Codec<SchemeOf<Kind>> } = {
  float16: float16Codec,
  affine: affineCodec,
  float8: float8Codec,
  codebook: codebookCodec,
  "block-format": blockFormatCodec,
  balanced: balancedCodec,
  transform: transformCodec,
};

/** The codec of a scheme. */
export const codecOf = ({ kind }: TensorScheme): Codec<TensorScheme> => CODECS[kind];
