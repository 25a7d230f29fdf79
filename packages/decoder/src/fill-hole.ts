import type { Attention } from "@kvtuner/backend";
import type { Tensor } from "onnxruntime-common";
import { releaseDeviceTensors, reshaped } from "./device-tensor.ts";
import type { HoleInputs } from "./hole-inputs.ts";

/**
 * Lets `attention` fill one hole: the segments' `[batch * tokens, width]` rows become `[batch, tokens, width]` tensors and
 * its output becomes rows again. No data is copied; query, key and value are given back where they are on a device.
 *
 * @param batch sequences in the rows, one after the other, all with as many tokens; 1 by default
 */
export const fillHole = async (
  attention: Attention,
  layer: number,
  { query, key, value }: Pick<HoleInputs, "query" | "key" | "value">,
  batch = 1,
): Promise<Tensor> => {
  try {
    const output = await attention.attend(layer, split(query, batch), split(key, batch), split(value, batch));
    return reshaped(output, query.dims);
  } finally {
    releaseDeviceTensors(query, key, value);
  }
};

const split = (rows: Tensor, batch: number): Tensor => reshaped(rows, [batch, rows.dims[0]! / batch, rows.dims[1]!]);
