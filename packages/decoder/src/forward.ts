import type { Attention } from "@kvtuner/backend";
import { holesOf } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import type { Decoder } from "./decoder.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { fillHole } from "./fill-hole.ts";
import type { HoleInputs } from "./hole-inputs.ts";
import { releasePositions, type RowPositions } from "./row-positions.ts";

/**
 * Runs tokens through all segments and holes. Returns the last residuals `[batch * tokens, hiddenSize]`; the caller
 * disposes of those on a device.
 *
 * @param ids `[batch * tokens]`, one sequence after another
 * @param positions of each of `ids` in its sequence
 * @param attention receives `[batch, tokens, width]` tensors
 * @param batch sequences, with equally many tokens each; 1 by default
 */
export const forward = async (
  decoder: Decoder,
  ids: ArrayLike<number>,
  positions: ArrayLike<number>,
  attention: Attention,
  batch = 1,
): Promise<Tensor> => {
  const rows = decoder.positions(positions);
  const first = await decoder.first(ids, rows);
  // On a device, all segments read the tables from there.
  const kept = first.positions ?? rows;
  try {
    return await fillHoles(decoder, first, kept, attention, batch);
  } finally {
    releasePositions(kept);
  }
};

const fillHoles = async (
  decoder: Decoder,
  first: HoleInputs,
  positions: RowPositions,
  attention: Attention,
  batch: number,
): Promise<Tensor> => {
  const holes = holesOf(decoder.shape);
  let hole = first;
  for (let index = 0; ; index++) {
    const crossing = [hole.residual];
    try {
      const output = await fillHole(attention, holes[index]!, hole, batch);
      crossing.push(output);
      if (index === holes.length - 1) return await decoder.last(hole.residual, output);
      hole = await decoder.next(index, hole.residual, output, positions);
    } finally {
      releaseDeviceTensors(...crossing);
    }
  }
};
