import { roundDecoded } from "@kvtuner/backend";
import { blockTokens } from "@kvtuner/plan";
import { createRowReader, decodedRow, NO_ROWS } from "./read-rows.ts";
import { rowsToFloat16 } from "./rows.ts";
import { firstHeldAt, isQuantized, prefixAt, type StoredTensor } from "./stored-tensor.ts";

/** float16 bits of tokens stored as codes that must be exact at `length`, by position. Changes nothing. */
export const decodedForTruncation = (tensor: StoredTensor, length: number): ReadonlyMap<number, Uint16Array> => {
  const { layout } = tensor;
  const reader = createRowReader(tensor, NO_ROWS);
  const rows = new Map<number, Uint16Array>();
  for (let token = firstHeldAt(layout, tensor.length); token < Math.min(length, tensor.length); token++)
    if (isQuantized(layout, token, tensor.length) && !isQuantized(layout, token, length))
      rows.set(token, roundedRow(decodedRow(tensor, reader, token)));
  return rows;
};

/** Drops the tokens from `length` on, and adds the result of {@link decodedForTruncation}. */
export const truncateTensor = (tensor: StoredTensor, length: number, rows: ReadonlyMap<number, Uint16Array>): void => {
  const { layout, exact } = tensor;
  for (let token = length; token < tensor.length; token++) exact.delete(token);
  for (const [token, row] of rows) exact.set(token, row);
  const end = prefixAt(layout, length) / blockTokens(layout.scheme);
  for (const held of tensor.blocks) for (const index of held.keys()) if (index >= end) held.delete(index);
  tensor.length = length;
};

/** float16 bits of a decoded row. */
export const roundedRow = (row: Float32Array): Uint16Array => {
  roundDecoded(row);
  return rowsToFloat16(row, 1)[0]!;
};
