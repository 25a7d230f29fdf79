import type { TensorScheme } from "@kvtuner/plan";
import { packedBytes } from "./bit-packing.ts";
import { QuantizerError } from "./encodable.ts";

/** Numbers `offset + i * stride` of a block `[tokens, headSize]`, `i < count`, whose codes fill whole bytes together. */
export interface BlockRow {
  readonly offset: number;
  readonly stride: number;
  readonly count: number;
}

/**
 * The rows of a block, in the order they are stored. Axis token: the head vector of each token. Axis channel: for each
 * `groupSize` tokens, the numbers of each channel; the last of them may have fewer tokens.
 */
export const blockRows = (tokens: number, headSize: number, scheme: TensorScheme): BlockRow[] => {
  if (scheme.axis === "token")
    return Array.from({ length: tokens }, (_, token) => ({ offset: token * headSize, stride: 1, count: headSize }));
  const groupSize = numbersInGroup(headSize, scheme);
  return Array.from({ length: Math.ceil(tokens / groupSize) * headSize }, (_, row) => {
    const token = Math.floor(row / headSize) * groupSize;
    const count = Math.min(groupSize, tokens - token);
    return { offset: token * headSize + (row % headSize), stride: headSize, count };
  });
};

/**
 * Numbers that share a scale; the last group of a row may be smaller.
 *
 * @throws QuantizerError `QUANTIZER_SCHEME` for a group that is not a positive whole number of tokens or channels
 */
export const numbersInGroup = (headSize: number, { axis, groupSize }: TensorScheme): number => {
  if (groupSize === "head" && axis === "token") return headSize;
  if (typeof groupSize === "number" && Number.isInteger(groupSize) && groupSize > 0) return groupSize;
  throw new QuantizerError(
    "QUANTIZER_SCHEME",
    `expected a group of a whole number of ${axis === "token" ? 'channels or "head"' : "tokens"} on axis ${axis}, got ${JSON.stringify(groupSize)}; give a positive integer`,
  );
};

/** Sizes of an encoded block: bytes of codes, and number of groups. */
export interface BlockSizes {
  readonly codeBytes: number;
  readonly groups: number;
}

/** Sizes of the rows of a block. Sixteen bits take two bytes a number and no groups. */
export const blockSizes = (tokens: number, headSize: number, scheme: TensorScheme): BlockSizes => {
  if (scheme.bits === 16) return { codeBytes: 2 * tokens * headSize, groups: 0 };
  const groupSize = numbersInGroup(headSize, scheme);
  const rows = blockRows(tokens, headSize, scheme);
  return {
    codeBytes: rows.reduce((sum, { count }) => sum + packedBytes(count, scheme.bits), 0),
    groups: rows.reduce((sum, { count }) => sum + Math.ceil(count / groupSize), 0),
  };
};
