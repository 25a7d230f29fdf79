import { roundDecoded } from "@kvtuner/backend";
import { createRowReader, decodedRow, NO_ROWS } from "./read-rows.ts";
import { rowsToFloat16 } from "./rows.ts";
import { isQuantized, prefixAt, type StoredTensor } from "./stored-tensor.ts";

/** Forgets the tokens from `length` on; those that must be exact now, but are held as codes, are decoded first. */
export const truncateTensor = (tensor: StoredTensor, length: number): void => {
  const { layout, exact } = tensor;
  if (length >= tensor.length) return;
  const reader = createRowReader(tensor, NO_ROWS);
  for (let token = 0; token < tensor.length; token++)
    if (token >= length) exact.delete(token);
    else if (isQuantized(layout, token, tensor.length) && !isQuantized(layout, token, length))
      exact.set(token, roundedRow(decodedRow(tensor, reader, token)));
  for (const blocks of tensor.blocks) blocks.length = prefixAt(layout, length) / layout.scheme.blockSize;
  tensor.length = length;
};

/** float16 bits of a decoded row. */
export const roundedRow = (row: Float32Array): Uint16Array => {
  roundDecoded(row);
  return rowsToFloat16(row, 1)[0]!;
};
