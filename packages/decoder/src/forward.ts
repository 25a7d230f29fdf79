import type { Attention } from "@kvtuner/backend";
import type { Tensor } from "onnxruntime-common";
import type { Decoder } from "./decoder.ts";

/** Runs tokens at the given positions through all segments and holes; returns the last residuals `[rows, hiddenSize]`. */
export const forward = async (
  decoder: Decoder,
  ids: ArrayLike<number>,
  positions: ArrayLike<number>,
  attention: Attention,
): Promise<Tensor> => {
  const rows = decoder.positions(positions);
  let hole = await decoder.first(ids, rows);
  for (let layer = 0; ; layer++) {
    const output = await attention.attend(layer, hole.query, hole.key, hole.value);
    if (layer === decoder.shape.layers - 1) return decoder.last(hole.residual, output);
    hole = await decoder.next(layer, hole.residual, output, rows);
  }
};
