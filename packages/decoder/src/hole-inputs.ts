import type { InferenceSession, Tensor } from "onnxruntime-common";

/** What crosses a hole: the residual stream and the layer's query, key and value, all float32 `[rows, ...]`. */
export interface HoleInputs {
  readonly residual: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /**
   * The positions of these rows on the device, for the segments that follow: with `deviceTensors`, from `first`. The caller
   * disposes of them.
   */
  readonly positions?: RowPositions;
}

/** RoPE cosines and sines of the rows under way, each float32 `[rows, ropeDimensions / 2]`. */
export interface RowPositions {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/** What a segment gave for the hole behind it; a first segment is given its residual. */
export const holeInputs = (outputs: InferenceSession.OnnxValueMapType, residual?: Tensor): HoleInputs => {
  const { kept_cosine: cosine, kept_sine: sine } = outputs as Readonly<Record<string, Tensor | undefined>>;
  return {
    residual: residual ?? (outputs["residual"] as Tensor),
    query: outputs["query"] as Tensor,
    key: outputs["key"] as Tensor,
    value: outputs["value"] as Tensor,
    ...(cosine && sine && { positions: { cosine, sine } }),
  };
};
