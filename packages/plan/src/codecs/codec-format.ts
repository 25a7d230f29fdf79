import type { SchemeAssets } from "../asset.ts";

/** One array of a coded tensor, of one KV head. */
export interface Part {
  /** The codec's name for it, unique among its parts. Tokens in 16 bits are `exact`. */
  readonly name: string;
  /** `float16` holds the bits, two bytes a number. */
  readonly dtype: "uint8" | "float16";
  readonly elements: number;
}

/** What a layout is for: tokens of one KV head, in whole blocks. */
export interface Place {
  readonly tokens: number;
  readonly headSize: number;
}

/** The KV heads that a scheme is for. */
export interface Heads {
  readonly kvHeads: number;
  readonly headSize: number;
}

/**
 * Values allowed in a scheme's field: literals, `"count"` (a whole number from 1), `"share"` (a number above 0, at most 1),
 * `"numbers"` (numbers from 0) or `"asset"` (the name of an asset of the plan that is none of the literals).
 */
export type FieldValues = readonly (string | number)[];

/** The values that are listed one by one. */
export const literalsOf = (values: FieldValues): FieldValues =>
  values.filter((value) => !["count", "share", "numbers", "asset"].includes(value as string));

/**
 * What plans, sizes, files and capabilities need to know about a codec's schemes. Encoding and decoding are in
 * `@kvtuner/quantizers`.
 */
export interface CodecFormat<Scheme extends { readonly kind: string }> {
  readonly kind: Scheme["kind"];
  /** Allowed values of every field except `kind`. */
  readonly fields: Readonly<Record<Exclude<keyof Scheme, "kind">, FieldValues>>;
  /** What a field means that a scheme leaves out. All others are required. */
  readonly defaults?: Readonly<Partial<Scheme>>;
  /** Bits of one stored number, without parameters. */
  bits(scheme: Scheme): number;
  /** Tokens encoded together; `undefined` for a codec that keeps tokens exact and so has no prefix. */
  blockTokens(scheme: Scheme): number | undefined;
  /** The scheme in words, for messages. */
  label(scheme: Scheme): string;
  /** The arrays of an encoded block. Only this function knows sizes. */
  layout(scheme: Scheme, place: Place): readonly Part[];
  /** What is wrong with fields that are valid one by one; continues "expected layer 3 ...". */
  fault?(scheme: Scheme, heads: Heads): string | undefined;
  /** What is wrong with the assets that a scheme names, by field; continues "expected assets ...". */
  assetFault?(scheme: Scheme, heads: Heads, assets: SchemeAssets): string | undefined;
  /** The scheme of one KV head, if heads differ. */
  ofHead?(scheme: Scheme, head: number): Scheme;
}
