import { blockTokens, schemeOfHead } from "@kvtuner/plan";
import { type EncodedBlock, encodeBlock } from "@kvtuner/quantizers";
import { numbersOf } from "./rows.ts";
import {
  blockRange,
  firstHeldAt,
  isQuantized,
  prefixAt,
  type StoredTensor,
  type TensorLayout,
} from "./stored-tensor.ts";

/** Rows to be appended, and the blocks that they fill. */
export interface PendingRows {
  /** float16 bits `[kvHeads * headSize]`, one row per token. */
  readonly rows: readonly Uint16Array[];
  /** New blocks of each KV head, by number. */
  readonly blocks: readonly ReadonlyMap<number, EncodedBlock>[];
}

/** Encodes the blocks that new rows fill. Changes nothing, so an error has no effect. */
export const encodePending = (tensor: StoredTensor, rows: readonly Uint16Array[]): PendingRows => {
  const { layout, length } = tensor;
  const [, first] = blockRange(layout, length);
  const end = prefixAt(layout, length + rows.length) / blockTokens(layout.scheme);
  const rowOf = (token: number): Uint16Array => tensor.exact.get(token) ?? rows[token - length]!;
  return { rows, blocks: encodedBlocks(layout, [first, end], rowOf) };
};

/** Blocks `first .. end - 1` of each KV head, from their rows. */
export const encodedBlocks = (
  layout: TensorLayout,
  [first, end]: readonly [first: number, end: number],
  rowOf: (token: number) => Uint16Array,
): Map<number, EncodedBlock>[] => {
  const blockSize = blockTokens(layout.scheme);
  const blocks = Array.from({ length: layout.kvHeads }, () => new Map<number, EncodedBlock>());
  for (let index = first; index < end; index++) {
    const start = layout.layer.residency.sinks + index * blockSize;
    const rows = Array.from({ length: blockSize }, (_, row) => rowOf(start + row));
    for (const [head, encoded] of blocks.entries()) encoded.set(index, encodeHead(layout, head, rows, start));
  }
  return blocks;
};

const encodeHead = (
  layout: TensorLayout,
  head: number,
  rows: readonly Uint16Array[],
  position: number,
): EncodedBlock => {
  const { headSize, assets } = layout;
  const scheme = schemeOfHead(layout.scheme, head);
  const numbers = new Float32Array(rows.length * headSize);
  for (const [token, row] of rows.entries())
    numbers.set(numbersOf(row.subarray(head * headSize, (head + 1) * headSize)), token * headSize);
  return encodeBlock(numbers, rows.length, headSize, scheme, { assets, head, position });
};

/** Adds pending rows to the tensor, and the blocks that they fill. Rows of these blocks stay in 16 bits too. */
export const commitPending = (tensor: StoredTensor, { rows, blocks }: PendingRows): void => {
  for (const [index, row] of rows.entries()) tensor.exact.set(tensor.length + index, row);
  for (const [head, added] of blocks.entries())
    for (const [index, block] of added) tensor.blocks[head]!.set(index, block);
  tensor.length += rows.length;
};

/** Removes the rows of the prefix from those in 16 bits, and drops what no later query reads. */
export const releaseRows = ({ layout, exact, blocks, length }: StoredTensor): void => {
  const first = firstHeldAt(layout, length);
  for (const token of exact.keys()) if (token < first || isQuantized(layout, token, length)) exact.delete(token);
  const [firstBlock] = blockRange(layout, length);
  for (const held of blocks) for (const index of held.keys()) if (index < firstBlock) held.delete(index);
};
