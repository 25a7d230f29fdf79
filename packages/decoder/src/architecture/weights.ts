import type { BlockCodes } from "../gguf/block-codes.ts";

/** Source of a decoder's weights: the part of an opened GGUF file that {@link loadDecoder} reads. */
export interface WeightSource {
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<
    string,
    { readonly dims: readonly number[]; readonly type?: string; readonly isSupported?: boolean }
  >;
  /** Dequantized float32, row-major; rows are the tensor's slowest dimension. */
  readTensor(name: string): Promise<Float32Array>;
  /** The same for some rows only. */
  readTensorRows(name: string, rows: ArrayLike<number>): Promise<Float32Array>;
  /**
   * The tensor, or its rows `from` up to `to`, as stored; undefined if its type has no blocks of codes. Without this
   * method, all tensors are read as float32.
   */
  readTensorBlocks?(name: string, from?: number, to?: number): Promise<BlockCodes | undefined>;
}

/** The header part of {@link WeightSource}, without weights. */
export type ModelHeader = Pick<WeightSource, "metadata" | "tensors">;

/** A matrix applied as `x W^T + bias`, `[rows, columns]`: float32, or in blocks of codes. */
export interface Linear {
  readonly rows: number;
  readonly columns: number;
  readonly matrix: Float32Array | BlockCodes;
  readonly bias?: Float32Array;
}

/** Weights before an attention hole. */
export interface ProjectionWeights {
  /** Of the residuals, before the projection. */
  readonly norm?: Float32Array;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  /** RMS norms before RoPE: of each head, `[headSize]`, or of the whole projection. */
  readonly queryNorm?: Float32Array;
  readonly keyNorm?: Float32Array;
  /** Leading channels of a head that RoPE rotates; 0 without RoPE. */
  readonly ropeDimensions: number;
}

/** Activations of the gate: `x * sigmoid(x)`, or GELU by its tanh approximation. */
export type Activation = "silu" | "gelu";

/** Weights after an attention hole. */
export interface FeedForwardWeights {
  readonly output: Linear;
  /** Of the attention output, before it is added to the residuals. */
  readonly outputNorm?: Float32Array;
  /** Of the residuals, before the gate. */
  readonly norm?: Float32Array;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
  readonly activation: Activation;
  /** Of the output of `down`, before it is added to the residuals. */
  readonly loweredNorm?: Float32Array;
}

/** The last norm and the output matrix. */
export interface HeadWeights {
  readonly norm: Float32Array;
  readonly output: Linear;
}
