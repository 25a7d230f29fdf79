import { Tensor } from "onnxruntime-common";
import type { RowPositions } from "./row-positions.ts";
import type { Tensors } from "./run-into.ts";

/**
 * Tensors that cross a hole: the residual stream and the layer's query, key and value, all float32 `[rows, ...]`. A layer
 * that shares a cache has neither key nor value.
 */
export interface HoleInputs {
  readonly residual: Tensor;
  readonly query: Tensor;
  readonly key?: Tensor;
  readonly value?: Tensor;
  /**
   * What later segments read in place of the given positions; from `first` with `deviceTensors`, and of a model whose layers
   * have embeddings of their own. The caller disposes of what is on a device.
   */
  readonly positions?: RowPositions;
}

/** Arrays to write the tensors of a hole into; all that the hole has. */
export type HoleArrays = Readonly<Partial<Record<"residual" | "query" | "key" | "value", Float32Array>>>;

/** Tensors `[rows, ...]` over given arrays. */
export const tensorsOver = (arrays: Readonly<Record<string, Float32Array>>, rows: number): Tensors =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, data]) => [name, new Tensor("float32", data, [rows, data.length / rows])]),
  );

/** Inputs of a hole from the outputs of the segment before it; the first segment has `residual` from outside. */
export const holeInputs = ({ query, key, value, ...outputs }: Tensors, residual?: Tensor): HoleInputs => ({
  residual: residual ?? outputs["residual"]!,
  query: query!,
  ...(key && value && { key, value }),
});
