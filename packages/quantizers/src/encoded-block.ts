import { layoutOf, type Part, partBytes, type TensorScheme } from "@kvtuner/plan";

/** Stored tokens of one KV head. The codec's layout gives the length of each array. */
export interface EncodedBlock {
  /** Codes, packed by the codec. For the codec `float16`, little-endian float16 numbers. */
  readonly codes: Uint8Array;
  /** Scale of each group as float16 bits, `[rows, groups of a row]`. */
  readonly scales: Uint16Array;
  /** Minimum of each group as float16 bits, in the order of the scales; empty for codecs without minima. */
  readonly minima: Uint16Array;
}

/** Lengths of the arrays of a block of `tokens` tokens. */
export const blockLengths = (
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
): { readonly [Name in keyof EncodedBlock]: number } => {
  const parts = layoutOf(scheme, { tokens, headSize });
  const find = (name: keyof EncodedBlock): Part | undefined => parts.find((part) => part.name === name);
  const codes = find("codes");
  return {
    codes: codes ? partBytes(codes) : 0,
    scales: find("scales")?.elements ?? 0,
    minima: find("minima")?.elements ?? 0,
  };
};

/** A block of zeros. */
export const emptyBlock = (tokens: number, headSize: number, scheme: TensorScheme): EncodedBlock => {
  const { codes, scales, minima } = blockLengths(tokens, headSize, scheme);
  return { codes: new Uint8Array(codes), scales: new Uint16Array(scales), minima: new Uint16Array(minima) };
};
