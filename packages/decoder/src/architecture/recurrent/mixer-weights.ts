import type { Linear } from "../weights.ts";

/** LFM2's gated short convolution. */
export interface ShortConvolutionWeights {
  readonly kind: "short convolution";
  /** Numbers in each row that it gives. */
  readonly width: number;
  /** Of the residuals, before the projection. */
  readonly norm: Float32Array;
  /** Gate before, gate after, and what is convolved: `[3 * width, hiddenSize]`. */
  readonly projection: Linear;
  /** `[width, size]`, the newest token's weight last. */
  readonly kernel: Float32Array;
  readonly bias?: Float32Array;
}

/** Gated DeltaNet of Qwen3.5. Value head `h` goes with key head `h % keyHeads`. */
export interface GatedDeltaNetWeights {
  readonly kind: "Gated DeltaNet";
  /** Numbers in each row that it gives: those of all value heads. */
  readonly width: number;
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Numbers in a head of a query or key. */
  readonly keySize: number;
  /** Of the residuals, before the projections. */
  readonly norm: Float32Array;
  /** Query, key and value, to be convolved: `[channels, hiddenSize]`. */
  readonly projection: Linear;
  /** `[channels, size]`, the newest token's weight last. */
  readonly kernel: Float32Array;
  /** One output per value head, of which the sigmoid is the rate. */
  readonly rate: Linear;
  /** One output per value head; its softplus times `decayScale`, which is negative, is the logarithm of the decay. */
  readonly decay: Linear;
  readonly decayScale: Float32Array;
  /** Of each head that is read. */
  readonly headNorm: Float32Array;
  /** Its SiLU multiplies what is read. */
  readonly gate: Linear;
}

/** What a recurrent layer has in place of query, key and value. */
export type MixerWeights = ShortConvolutionWeights | GatedDeltaNetWeights;
