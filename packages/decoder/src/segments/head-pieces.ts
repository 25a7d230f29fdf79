import { Tensor } from "onnxruntime-common";
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

/** Joins the pieces' logits into `[rows, vocabulary]`. */
export const joinLogits = (pieces: readonly Tensor[]): Tensor => {
  if (pieces.length === 1) return pieces[0]!;
  const rows = pieces[0]!.dims[0]!;
  const vocabulary = pieces.reduce((sum, { dims }) => sum + dims[1]!, 0);
  const logits = new Float32Array(rows * vocabulary);
  let start = 0;
  for (const { data, dims } of pieces) {
    const width = dims[1]!;
    for (let row = 0; row < rows; row++)
      logits.set((data as Float32Array).subarray(row * width, (row + 1) * width), row * vocabulary + start);
    start += width;
  }
  return new Tensor("float32", logits, [rows, vocabulary]);
};
