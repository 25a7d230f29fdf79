import type { Attention } from "@kvtuner/backend";
import type { Tensor } from "onnxruntime-common";
import type { Decoder } from "./decoder.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { fillHole } from "./fill-hole.ts";

/**
 * Runs tokens through all segments and holes; returns the last residuals `[batch * tokens, hiddenSize]`, which the caller
 * disposes of where they are on a device.
 *
 * @param ids `[batch * tokens]`, one sequence after the other
 * @param positions of each of `ids` in its sequence
 * @param attention is given `[batch, tokens, width]` tensors
 * @param batch sequences, all with as many tokens; 1 by default
 */
export const forward = async (
  decoder: Decoder,
  ids: ArrayLike<number>,
  positions: ArrayLike<number>,
  attention: Attention,
  batch = 1,
): Promise<Tensor> => {
  const rows = decoder.positions(positions);
  let hole = await decoder.first(ids, rows);
  for (let layer = 0; ; layer++) {
    const crossing = [hole.residual];
    try {
      const output = await fillHole(attention, layer, hole, batch);
      crossing.push(output);
      if (layer === decoder.shape.layers - 1) return await decoder.last(hole.residual, output);
      hole = await decoder.next(layer, hole.residual, output, rows);
    } finally {
      releaseDeviceTensors(...crossing);
    }
  }
};
