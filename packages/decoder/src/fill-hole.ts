import type { Attention } from "@kvtuner/backend";
import type { Tensor } from "onnxruntime-common";
import type { HoleInputs } from "./decoder.ts";

/**
 * Lets `attention` fill one hole: the segments' `[batch * tokens, width]` rows become `[batch, tokens, width]` tensors and
 * its output becomes rows again. No data is copied.
 *
 * @param batch sequences in the rows, one after the other, all with as many tokens; 1 by default
 */
export const fillHole = async (
  attention: Attention,
  layer: number,
  { query, key, value }: Pick<HoleInputs, "query" | "key" | "value">,
  batch = 1,
): Promise<Tensor> => {
  const output = await attention.attend(layer, split(query, batch), split(key, batch), split(value, batch));
  return output.reshape(query.dims);
};

const split = (rows: Tensor, batch: number): Tensor => rows.reshape([batch, rows.dims[0]! / batch, rows.dims[1]!]);
