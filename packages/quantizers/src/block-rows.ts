import type { AffineScheme } from "@kvtuner/plan";
import { QuantizerError } from "./encodable.ts";

/** Numbers `offset + i * stride` of a block `[tokens, headSize]`, `i < count`. */
export interface StridedNumbers {
  readonly offset: number;
  readonly stride: number;
  readonly count: number;
}

/** Numbers of a block whose codes fill whole bytes together, and their groups. */
export interface BlockRow extends StridedNumbers {
  readonly groups: readonly StridedNumbers[];
}

/**
 * The rows of a block, in stored order. Axis token: the head vector of each token. Axis channel: for each `groupSize`
 * tokens, one group per channel; the last may have fewer tokens.
 */
export const blockRows = (tokens: number, headSize: number, scheme: AffineScheme): BlockRow[] => {
  const groupSize = numbersInGroup(headSize, scheme);
  const rows = scheme.axis === "token" ? tokenRows(tokens, headSize) : channelRows(tokens, headSize, groupSize);
  return rows.map((row) => ({ ...row, groups: cutIntoGroups(row, groupSize) }));
};

const tokenRows = (tokens: number, headSize: number): StridedNumbers[] =>
  Array.from({ length: tokens }, (_, token) => ({ offset: token * headSize, stride: 1, count: headSize }));

const channelRows = (tokens: number, headSize: number, groupSize: number): StridedNumbers[] =>
  Array.from({ length: Math.ceil(tokens / groupSize) * headSize }, (_, row) => {
    const token = Math.floor(row / headSize) * groupSize;
    const count = Math.min(groupSize, tokens - token);
    return { offset: token * headSize + (row % headSize), stride: headSize, count };
  });

const cutIntoGroups = ({ offset, stride, count }: StridedNumbers, groupSize: number): StridedNumbers[] =>
  Array.from({ length: Math.ceil(count / groupSize) }, (_, group) => {
    const first = group * groupSize;
    return { offset: offset + first * stride, stride, count: Math.min(groupSize, count - first) };
  });

const numbersInGroup = (headSize: number, { axis, groupSize }: AffineScheme): number => {
  if (groupSize === "head" && axis === "token") return headSize;
  if (typeof groupSize === "number" && Number.isInteger(groupSize) && groupSize > 0) return groupSize;
  throw new QuantizerError(
    "QUANTIZER_SCHEME",
    `expected a group of a whole number of ${axis === "token" ? 'channels or "head"' : "tokens"} on axis ${axis}, got ${JSON.stringify(groupSize)}; give a positive integer`,
  );
};
