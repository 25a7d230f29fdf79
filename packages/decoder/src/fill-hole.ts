import type { Attention } from "@kvtuner/backend";
import type { Hole } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { releaseDeviceTensors, reshaped } from "./device-tensor.ts";
import type { HoleInputs } from "./hole-inputs.ts";

/**
 * Fills one hole by `attention`: passes the segments' `[batch * tokens, width]` rows as `[batch, tokens, width]` tensors
 * and turns its output back into rows. No data is copied. Query, key and value are released if they are on a device. A layer that
 * shares a cache needs only a query.
 *
 * @param batch sequences in the rows, one after another, with equally many tokens each; 1 by default
 */
export const fillHole = async (
  attention: Attention,
  { layer, sharing }: Hole,
  { query, key, value }: Pick<HoleInputs, "query" | "key" | "value">,
  batch = 1,
): Promise<Tensor> => {
  try {
    const output =
      sharing === undefined
        ? await attention.attend(layer, split(query, batch), split(key!, batch), split(value!, batch))
        : await attention.read!(sharing, split(query, batch));
    return reshaped(output, [query.dims[0]!, output.dims[2]!]);
  } finally {
    releaseDeviceTensors(query, ...(key && value ? [key, value] : []));
  }
};

const split = (rows: Tensor, batch: number): Tensor => reshaped(rows, [batch, rows.dims[0]! / batch, rows.dims[1]!]);
