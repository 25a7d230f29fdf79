import { blockTokens, schemeOfHead } from "@kvtuner/plan";
import { decodeBlock, type EncodedBlock } from "@kvtuner/quantizers";
import type { PendingRows } from "./append-rows.ts";
import { numbersOf } from "./rows.ts";
import { isQuantized, type StoredTensor, type TensorLayout } from "./stored-tensor.ts";

/** The exact, or the decoded, tokens of one KV head; float32 `[headSize]` each. */
export type RowReader = (head: number, isCoded: boolean) => (token: number) => Float32Array;

/** Reads a tensor, including rows about to be appended. */
export const createRowReader = (tensor: StoredTensor, pending: PendingRows): RowReader => {
  const { layout, blocks, exact, length: held } = tensor;
  const { headSize, layer, scheme } = layout;
  const blockSize = blockTokens(scheme);
  const readExact = (head: number, token: number): Float32Array =>
    slice(exactNumbers(exact.get(token) ?? pending.rows[token - held]!), head, headSize);
  const readCoded = (head: number, token: number): Float32Array => {
    const place = token - layer.residency.sinks;
    const index = Math.floor(place / blockSize);
    const block = blocks[head]!.get(index) ?? pending.blocks[head]!.get(index)!;
    const start = layer.residency.sinks + index * blockSize;
    return slice(decodedNumbers(block, layout, head, start), place % blockSize, headSize);
  };
  return (head, isCoded) => (token) => (isCoded ? readCoded : readExact)(head, token);
};

/** A tensor's numbers at its length, one float32 row `[kvHeads * headSize]` per token. */
export const decodedRow = (tensor: StoredTensor, reader: RowReader, token: number): Float32Array => {
  const { kvHeads, headSize } = tensor.layout;
  const row = new Float32Array(kvHeads * headSize);
  const isCoded = isQuantized(tensor.layout, token, tensor.length);
  for (let head = 0; head < kvHeads; head++) row.set(reader(head, isCoded)(token), head * headSize);
  return row;
};

/** Nothing pending. */
export const NO_ROWS: PendingRows = { rows: [], blocks: [] };

/** Decodes each block and row once, because decoding is slow. */
const known = new WeakMap<EncodedBlock | Uint16Array, Float32Array>();

const exactNumbers = (row: Uint16Array): Float32Array => {
  const numbers = known.get(row) ?? numbersOf(row);
  known.set(row, numbers);
  return numbers;
};

const decodedNumbers = (block: EncodedBlock, layout: TensorLayout, head: number, position: number): Float32Array => {
  const { scheme, headSize, assets } = layout;
  const decoded = (): Float32Array =>
    decodeBlock(block, blockTokens(scheme), headSize, schemeOfHead(scheme, head), { assets, head, position });
  const numbers = known.get(block) ?? decoded();
  known.set(block, numbers);
  return numbers;
};

const slice = (rows: Float32Array, index: number, size: number): Float32Array =>
  rows.subarray(index * size, (index + 1) * size);
