import { encodedBlocks } from "./append-rows.ts";
import { createRowReader, decodedRow, NO_ROWS } from "./read-rows.ts";
import { blockRange, firstHeldAt, isQuantized, type StoredTensor, type TensorLayout } from "./stored-tensor.ts";
import { roundedRow } from "./truncate-rows.ts";

/** A new tensor under another layout, as if all tokens, decoded and rounded to float16, were appended to it. */
export const retunedTensor = (tensor: StoredTensor, layout: TensorLayout): StoredTensor => {
  const reader = createRowReader(tensor, NO_ROWS);
  const { length } = tensor;
  const rows = new Map<number, Uint16Array>();
  for (let token = firstHeldAt(layout, length); token < length; token++)
    rows.set(token, roundedRow(decodedRow(tensor, reader, token)));
  const blocks = encodedBlocks(layout, blockRange(layout, length), (token) => rows.get(token)!);
  for (const token of rows.keys()) if (isQuantized(layout, token, length)) rows.delete(token);
  return { layout, length, blocks, exact: rows };
};
