import type { InferenceSession, Tensor } from "onnxruntime-common";
import type { RowPositions } from "./row-positions.ts";

/** Tensors that cross a hole: the residual stream and the layer's query, key and value, all float32 `[rows, ...]`. */
export interface HoleInputs {
  readonly residual: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /**
   * The positions of these rows on the device, for later segments; from `first` with `deviceTensors`. The caller disposes
   * of them.
   */
  readonly positions?: RowPositions;
}

/** Inputs of a hole from the outputs of the segment before it; the first segment has `residual` from outside. */
export const holeInputs = (outputs: InferenceSession.OnnxValueMapType, residual?: Tensor): HoleInputs => ({
  residual: residual ?? (outputs["residual"] as Tensor),
  query: outputs["query"] as Tensor,
  key: outputs["key"] as Tensor,
  value: outputs["value"] as Tensor,
});
