import type { SchemeAssets } from "../asset.ts";
import { affineFormat, type AffineScheme } from "./affine.ts";
import { balancedFormat, type BalancedScheme } from "./balanced.ts";
import { blockFormat, type BlockFormatScheme } from "./block-format.ts";
import { codebookFormat, type CodebookScheme } from "./codebook.ts";
import type { CodecFormat, Heads, Part, Place } from "./codec-format.ts";
import { float8Format, type Float8Scheme } from "./float8.ts";
import { float16Format, type Float16Scheme } from "./float16.ts";
import type { TransformScheme } from "./transform-scheme.ts";
import { transformFormat } from "./transform.ts";

/** How the keys, or the values, of one layer are coded. A codec adds its scheme here, and its format below. */
export type TensorScheme =
  | Float16Scheme
  | AffineScheme
  | Float8Scheme
  | CodebookScheme
  | BlockFormatScheme
  | BalancedScheme
  | TransformScheme;

/** Names of codecs. */
export type CodecKind = TensorScheme["kind"];

/** The schemes of one codec. */
export type SchemeOf<Kind extends CodecKind> = Extract<TensorScheme, { readonly kind: Kind }>;

/** All codecs, by kind. */
export const FORMATS: { readonly [Kind in CodecKind]: CodecFormat<SchemeOf<Kind>> } = {
  float16: float16Format,
  affine: affineFormat,
  float8: float8Format,
  codebook: codebookFormat,
  "block-format": blockFormat,
  balanced: balancedFormat,
  transform: transformFormat,
};

const formatOf = ({ kind }: TensorScheme): CodecFormat<TensorScheme> => FORMATS[kind];

/** A scheme with every field, those that it leaves out too. */
export const completeScheme = (scheme: TensorScheme): TensorScheme =>
  ({ ...formatOf(scheme).defaults, ...scheme }) as TensorScheme;

/** Bits of one stored number, without parameters. */
export const bitsOf = (scheme: TensorScheme): number => formatOf(scheme).bits(scheme);

/** Tokens that a codec encodes together; 1 for float16. */
export const blockTokens = (scheme: TensorScheme): number => formatOf(scheme).blockTokens(scheme) ?? 1;

/** True when tokens are coded once their block is full; false for float16. */
export const isCoded = (scheme: TensorScheme): boolean => formatOf(scheme).blockTokens(scheme) !== undefined;

/** A scheme in words, for messages. */
export const schemeLabel = (scheme: TensorScheme): string => formatOf(scheme).label(scheme);

/** The arrays of an encoded block of one KV head. */
export const layoutOf = (scheme: TensorScheme, place: Place): readonly Part[] => formatOf(scheme).layout(scheme, place);

/** What is wrong with a scheme whose fields are valid one by one; `undefined` if nothing is. */
export const schemeFault = (scheme: TensorScheme, heads: Heads): string | undefined =>
  formatOf(scheme).fault?.(scheme, heads);

/** What is wrong with the assets that a scheme names; `undefined` if nothing is. */
export const assetFault = (scheme: TensorScheme, heads: Heads, assets: SchemeAssets): string | undefined =>
  formatOf(scheme).assetFault?.(scheme, heads, assets);

/** The scheme of one KV head. It differs between heads when, for example, each has its own fixed scale. */
export const schemeOfHead = (scheme: TensorScheme, head: number): TensorScheme =>
  formatOf(scheme).ofHead?.(scheme, head) ?? scheme;

/** Bytes of a part. */
export const partBytes = ({ dtype, elements }: Part): number => (dtype === "uint8" ? 1 : 2) * elements;
