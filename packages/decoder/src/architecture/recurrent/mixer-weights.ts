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

/** What a recurrent layer has in place of query, key and value. */
export type MixerWeights = ShortConvolutionWeights;
