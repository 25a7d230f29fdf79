/** One array of a coded tensor, of one KV head. */
export interface Part {
  /** As the codec calls it, unlike any other of its parts; `exact` is the name of tokens in 16 bits. */
  readonly name: string;
  /** `float16` holds its bits, two bytes a number. */
  readonly dtype: "uint8" | "float16";
  readonly elements: number;
}

/** What a layout is for: tokens of one KV head, whole blocks of them. */
export interface Place {
  readonly tokens: number;
  readonly headSize: number;
}

/** The KV heads that a scheme is for. */
export interface Heads {
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Values that a field of a scheme takes: literals, `"count"` for a whole number from 1, `"numbers"` for positive ones. */
export type FieldValues = readonly (string | number)[];

/**
 * What a codec says of its schemes without touching a number of a tensor: everything that plans, sizes, files and
 * capabilities need. Encoding and decoding are in `@kvtuner/quantizers`.
 */
export interface CodecFormat<Scheme extends { readonly kind: string }> {
  readonly kind: Scheme["kind"];
  /** Values of every field but `kind`. */
  readonly fields: Readonly<Record<Exclude<keyof Scheme, "kind">, FieldValues>>;
  /** Bits of one stored number, parameters not counted. */
  bits(scheme: Scheme): number;
  /** Tokens encoded together; `undefined` for a codec of exact tokens, which has no prefix. */
  blockTokens(scheme: Scheme): number | undefined;
  /** The scheme in words, for messages. */
  label(scheme: Scheme): string;
  /** The arrays of an encoded block. Only this knows sizes. */
  layout(scheme: Scheme, place: Place): readonly Part[];
  /** What is wrong with fields that are valid one by one, as "expected layer 3 ..." goes on. */
  fault?(scheme: Scheme, heads: Heads): string | undefined;
  /** The scheme of one KV head, where heads differ. */
  ofHead?(scheme: Scheme, head: number): Scheme;
}
