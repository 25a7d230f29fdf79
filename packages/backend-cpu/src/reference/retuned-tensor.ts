import { commitPending, encodePending } from "./append-rows.ts";
import { createRowReader, decodedRow, NO_ROWS } from "./read-rows.ts";
import { emptyTensor, type StoredTensor, type TensorLayout } from "./stored-tensor.ts";
import { roundedRow } from "./truncate-rows.ts";

/** A new tensor under another layout, as if all tokens, decoded and rounded to float16, were appended to it. */
export const retunedTensor = (tensor: StoredTensor, layout: TensorLayout): StoredTensor => {
  const reader = createRowReader(tensor, NO_ROWS);
  const rows = Array.from({ length: tensor.length }, (_, token) => roundedRow(decodedRow(tensor, reader, token)));
  const retuned = emptyTensor(layout);
  commitPending(retuned, encodePending(retuned, rows));
  return retuned;
};
