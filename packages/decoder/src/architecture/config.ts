import type { CacheShape } from "@kvtuner/plan";

/** Architectures that segments are built for. */
export type Architecture = "llama" | "qwen2";

/** What a decoder's graph needs to know of its model. */
export interface DecoderConfig extends CacheShape {
  readonly architecture: Architecture;
  readonly name: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly normEpsilon: number;
  readonly ropeBase: number;
  /** Divisor of every position (linear scaling); 1 without scaling. */
  readonly ropeLinearFactor: number;
  /** Leading channels of a head that RoPE turns. */
  readonly ropeDimensions: number;
  /** Tokens the model was trained for. */
  readonly contextLength: number;
}
