import { blockTokens } from "@kvtuner/plan";
import { decodeBlock, type EncodedBlock } from "@kvtuner/quantizers";
import type { PendingRows } from "./append-rows.ts";
import { numbersOf } from "./rows.ts";
import { prefixAt, type StoredTensor, type TensorLayout } from "./stored-tensor.ts";

/** The tokens of one KV head as a query that sees `length` tokens reads them, float32 `[headSize]` each. */
export type RowReader = (head: number, length: number) => (token: number) => Float32Array;

/** Reads a tensor with what is about to be appended. */
export const createRowReader = (tensor: StoredTensor, pending: PendingRows): RowReader => {
  const { layout, blocks, exact, length: held } = tensor;
  const { headSize, layer, scheme } = layout;
  const blockSize = blockTokens(scheme);
  return (head, length) => {
    const end = layer.residency.sinks + prefixAt(layout, length);
    return (token) => {
      if (token < layer.residency.sinks || token >= end)
        return slice(exactNumbers(exact.get(token) ?? pending.rows[token - held]!), head, headSize);
      const behindSinks = token - layer.residency.sinks;
      const index = Math.floor(behindSinks / blockSize);
      const block = blocks[head]![index] ?? pending.blocks[head]![index - blocks[head]!.length]!;
      return slice(decodedNumbers(block, layout), behindSinks % blockSize, headSize);
    };
  };
};

/** What a tensor stands for at its length, one float32 row `[kvHeads * headSize]` a token. */
export const decodedRow = (tensor: StoredTensor, reader: RowReader, token: number): Float32Array => {
  const { kvHeads, headSize } = tensor.layout;
  const row = new Float32Array(kvHeads * headSize);
  for (let head = 0; head < kvHeads; head++) row.set(reader(head, tensor.length)(token), head * headSize);
  return row;
};

/** Nothing pending. */
export const NO_ROWS: PendingRows = { rows: [], blocks: [] };

/** Decoding is slow and always gives the same, so it is done once for each block and row that is held. */
const known = new WeakMap<EncodedBlock | Uint16Array, Float32Array>();

const exactNumbers = (row: Uint16Array): Float32Array => {
  const numbers = known.get(row) ?? numbersOf(row);
  known.set(row, numbers);
  return numbers;
};

const decodedNumbers = (block: EncodedBlock, { scheme, headSize }: TensorLayout): Float32Array => {
  const numbers = known.get(block) ?? decodeBlock(block, blockTokens(scheme), headSize, scheme);
  known.set(block, numbers);
  return numbers;
};

const slice = (rows: Float32Array, index: number, size: number): Float32Array =>
  rows.subarray(index * size, (index + 1) * size);
