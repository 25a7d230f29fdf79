import type { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../architecture/config.ts";

/** Neighbouring rows of the output matrix, `from` up to `to`. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Most bytes, in float32, of a piece of the output matrix: in memory, where pieces cost time, and in files. */
export const HEAD_BYTES: number = 2 ** 30;
export const FILED_HEAD_BYTES: number = 2 ** 27;

const FLOAT32_BYTES = 4;

/**
 * Splits the rows of the output matrix into pieces of at most `maxBytes` in float32. A graph holds less than 2 GiB, and the
 * matrix of a large vocabulary is larger.
 */
export const headPieces = ({ hiddenSize }: DecoderConfig, vocabulary: number, maxBytes: number): RowRange[] => {
  const most = Math.max(1, Math.floor(maxBytes / (FLOAT32_BYTES * hiddenSize)));
  return Array.from({ length: Math.ceil(vocabulary / most) }, (_, piece) => ({
    from: piece * most,
    to: Math.min(vocabulary, (piece + 1) * most),
  }));
};

/** Copies a piece's logits into those of the whole vocabulary, from a column on. */
export const setColumns = (logits: Tensor, { data, dims }: Tensor, column: number): void => {
  const [rows, vocabulary] = logits.dims as [number, number];
  const width = dims.at(-1)!;
  const [target, source] = [logits.data as Float32Array, data as Float32Array];
  for (let row = 0; row < rows; row++)
    target.set(source.subarray(row * width, (row + 1) * width), row * vocabulary + column);
};
