import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../architecture/config.ts";
import type { HeadWeights, Linear } from "../architecture/weights.ts";
import type { BlockCodes } from "../gguf/block-codes.ts";

const FLOAT32_BYTES = 4;

/**
 * Splits the head into pieces, each with neighbouring rows of the output matrix of at most `maxBytes` in float32. A graph
 * holds less than 2 GiB, and the matrix of a large vocabulary is larger. Copies nothing.
 */
export const headPieces = ({ norm, output }: HeadWeights, maxBytes: number): HeadWeights[] => {
  const most = mostRows(output.columns, maxBytes);
  return Array.from({ length: Math.ceil(output.rows / most) }, (_, piece) => ({
    norm,
    output: rowsOf(output, piece * most, Math.min(output.rows, (piece + 1) * most)),
  }));
};

/** Number of pieces of {@link headPieces}. */
export const headPieceCount = ({ hiddenSize }: DecoderConfig, vocabulary: number, maxBytes: number): number =>
  Math.ceil(vocabulary / mostRows(hiddenSize, maxBytes));

const mostRows = (columns: number, maxBytes: number): number =>
  Math.max(1, Math.floor(maxBytes / (FLOAT32_BYTES * columns)));

const rowsOf = ({ columns, matrix, bias }: Linear, from: number, to: number): Linear => ({
  rows: to - from,
  columns,
  matrix:
    matrix instanceof Float32Array
      ? matrix.subarray(from * columns, to * columns)
      : blockRows(matrix, columns, from, to),
  ...(bias && { bias: bias.subarray(from, to) }),
});

const blockRows = (matrix: BlockCodes, columns: number, from: number, to: number): BlockCodes => {
  const { blockSize, bits, codes, scales, offsets } = matrix;
  const blocks = columns / blockSize;
  return {
    blockSize,
    bits,
    codes: codes.subarray(from * columns, to * columns),
    scales: scales.subarray(from * blocks, to * blocks),
    ...(offsets && { offsets: offsets.subarray(from * blocks, to * blocks) }),
  };
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
