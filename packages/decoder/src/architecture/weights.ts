import type { BlockCodes, BlockLayout } from "../gguf/block-codes.ts";

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

/** A matrix that stays in its file until it is used: those of a layer together may take more than the memory. */
export interface DeferredMatrix {
  /** Of its blocks of codes; absent for float32. */
  readonly layout?: BlockLayout;
  /** Rows `from` up to `to`. */
  read(from: number, to: number): Promise<Float32Array | BlockCodes>;
}

/** A matrix applied as `x W^T + bias`, `[rows, columns]`: float32, or in blocks of codes. */
export interface Linear<Matrix extends Float32Array | BlockCodes | DeferredMatrix = Float32Array | BlockCodes> {
  readonly rows: number;
  readonly columns: number;
  readonly matrix: Matrix;
  readonly bias?: Float32Array;
}

/** A matrix that is read when it is used. */
export type DeferredLinear = Linear<DeferredMatrix>;

/** A matrix in memory or in its file. */
export type AnyLinear = Linear | DeferredLinear;

/** Weights before an attention hole. */
export interface ProjectionWeights {
  /** Of the residuals, before the projection. */
  readonly norm?: Float32Array;
  readonly query: Linear;
  /** Absent, as is the value, in a layer that reads the cache of another. */
  readonly key?: Linear;
  /** The same object as the key if the value is the key before its norm and RoPE. */
  readonly value?: Linear;
  /** RMS norms before RoPE: of each head, `[headSize]`, or of the whole projection. */
  readonly queryNorm?: Float32Array;
  readonly keyNorm?: Float32Array;
  /** RMS norm of each head of the value, `[headSize]`. */
  readonly valueNorm?: Float32Array;
  readonly headSize: number;
  /** Leading channels of a head that RoPE rotates; 0 without RoPE. */
  readonly ropeDimensions: number;
}

/**
 * What a network computes of gate `g` and up `u`:
 *
 * - `silu`: `g * sigmoid(g) * u`
 * - `gelu`: `gelu(g) * u`, by the tanh approximation
 * - `clamped-swiglu`: `g' * sigmoid(1.702 * g') * (u' + 1)`, with `g'` up to 7 and `u'` from -7 to 7 (gpt-oss)
 */
export type Activation = "silu" | "gelu" | "clamped-swiglu";

/** A network `down(activation(gate(x), up(x)))`. */
export interface GatedWeights {
  readonly gate: DeferredLinear;
  readonly up: DeferredLinear;
  readonly down: DeferredLinear;
  readonly activation: Activation;
}

/** Networks of which the router chooses some for each row. */
export interface ExpertWeights {
  /** One output per expert. */
  readonly router: Linear;
  /** Experts that a row uses: those with the highest outputs. */
  readonly used: number;
  /** Outputs whose softmax weights the experts: those of the chosen ones, or of all. */
  readonly softmaxOf: "chosen" | "all";
  /** Factor of each expert's output. */
  readonly scales?: Float32Array;
  readonly each: readonly GatedWeights[];
  /** A network that every row uses besides, times the sigmoid of its gate's one output if it has a gate. */
  readonly shared?: { readonly network: GatedWeights; readonly gate?: Linear };
}

/** Experts that read the residuals beside a network. Outputs of both are normed, then added. */
export interface BesideWeights {
  /** Of the network's output. */
  readonly networkNorm: Float32Array;
  /** Of the residuals before the router, and before the experts. */
  readonly routerNorm: Float32Array;
  readonly norm: Float32Array;
  readonly experts: ExpertWeights;
  /** Of the experts' output. */
  readonly outputNorm: Float32Array;
}

/** Weights after an attention hole. */
export interface FeedForwardWeights {
  /** Multiplies the attention by the sigmoid of a product with the normed residuals before it. */
  readonly gate?: { readonly norm: Float32Array; readonly projection: Linear };
  readonly output: AnyLinear;
  /** Of the attention output, before it is added to the residuals. */
  readonly outputNorm?: Float32Array;
  /** Of the residuals, before the network. */
  readonly norm?: Float32Array;
  readonly network: GatedWeights | ExpertWeights;
  readonly beside?: BesideWeights;
  /** Of the network's output, before it is added to the residuals. */
  readonly loweredNorm?: Float32Array;
  /** Adds to the residuals `norm(projection(gelu(gate(x)) * input))`, with the layer's input from an embedding of its own. */
  readonly layerInput?: { readonly gate: Linear; readonly projection: Linear; readonly norm: Float32Array };
  /** Factor of the residuals at the end of the layer. */
  readonly outputScale?: number;
}

/** Weights of the inputs that layers get from an embedding of their own, in the first segment. */
export interface LayerInputWeights {
  /** Of the embedding to the inputs of all layers. */
  readonly projection: Linear;
  /** Of each layer's part of the projection. */
  readonly norm: Float32Array;
}

/** The last norm and the output matrix. */
export interface HeadWeights {
  readonly norm: Float32Array;
  readonly output: Linear;
}
