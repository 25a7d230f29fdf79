import { blockTokens, schemeOfHead } from "@kvtuner/plan";
import { type EncodedBlock, encodeBlock } from "@kvtuner/quantizers";
import { numbersOf } from "./rows.ts";
import { prefixAt, type StoredTensor } from "./stored-tensor.ts";

/** Rows to be appended, and the blocks that they fill. */
export interface PendingRows {
  /** float16 bits `[kvHeads * headSize]`, one row per token. */
  readonly rows: readonly Uint16Array[];
  /** New blocks of each KV head. */
  readonly blocks: readonly EncodedBlock[][];
}

/** Encodes the blocks that new rows fill. Changes nothing, so an error has no effect. */
export const encodePending = (tensor: StoredTensor, rows: readonly Uint16Array[]): PendingRows => {
  const { layout, length } = tensor;
  const blockSize = blockTokens(layout.scheme);
  const first = prefixAt(layout, length) / blockSize;
  const end = prefixAt(layout, length + rows.length) / blockSize;
  const rowOf = (token: number): Uint16Array => tensor.exact.get(token) ?? rows[token - length]!;
  const blocks = Array.from({ length: layout.kvHeads }, (_, head) =>
    Array.from({ length: end - first }, (_unused, index) => {
      const start = layout.layer.residency.sinks + (first + index) * blockSize;
      return encodeHead(
        tensor,
        head,
        Array.from({ length: blockSize }, (_token, row) => rowOf(start + row)),
      );
    }),
  );
  return { rows, blocks };
};

const encodeHead = ({ layout }: StoredTensor, head: number, rows: readonly Uint16Array[]): EncodedBlock => {
  const { headSize } = layout;
  const scheme = schemeOfHead(layout.scheme, head);
  const numbers = new Float32Array(rows.length * headSize);
  for (const [token, row] of rows.entries())
    numbers.set(numbersOf(row.subarray(head * headSize, (head + 1) * headSize)), token * headSize);
  return encodeBlock(numbers, rows.length, headSize, scheme, layout.assets);
};

/** Moves pending rows into the tensor: the new prefix as codes, the rest unchanged. */
export const commitPending = (tensor: StoredTensor, { rows, blocks }: PendingRows): void => {
  const { layout, exact, length } = tensor;
  const { sinks } = layout.layer.residency;
  for (const [index, row] of rows.entries()) exact.set(length + index, row);
  for (const [head, added] of blocks.entries()) for (const block of added) tensor.blocks[head]!.push(block);
  const newLength = length + rows.length;
  for (let token = sinks + prefixAt(layout, length); token < sinks + prefixAt(layout, newLength); token++)
    exact.delete(token);
  tensor.length = newLength;
};
