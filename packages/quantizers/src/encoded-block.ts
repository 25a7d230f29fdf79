import { layoutOf, type Part, type TensorScheme } from "@kvtuner/plan";

/** Numbers of one part: bytes, or float16 bits. */
export type PartArray = Uint8Array | Uint16Array;

/** Tokens of one KV head as stored: the arrays that the codec's layout names and sizes. */
export type EncodedBlock = Readonly<Record<string, PartArray>>;

/** A part of zeros. */
export const emptyPart = ({ dtype, elements }: Omit<Part, "name">): PartArray =>
  dtype === "uint8" ? new Uint8Array(elements) : new Uint16Array(elements);

/** A block of zeros. */
export const emptyBlock = (tokens: number, headSize: number, scheme: TensorScheme): EncodedBlock =>
  Object.fromEntries(layoutOf(scheme, { tokens, headSize }).map((part) => [part.name, emptyPart(part)]));

/** A block of the same parts with other arrays. */
export const mapParts = (block: EncodedBlock, map: (numbers: PartArray, name: string) => PartArray): EncodedBlock =>
  Object.fromEntries(Object.entries(block).map(([name, numbers]) => [name, map(numbers, name)]));
