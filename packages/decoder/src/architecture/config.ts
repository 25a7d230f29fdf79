import type { CacheShape } from "@kvtuner/plan";
import type { Architecture } from "./families.ts";

/** Properties of a model that its decoder depends on. */
export interface DecoderConfig extends CacheShape {
  readonly architecture: Architecture;
  readonly name: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly normEpsilon: number;
  readonly ropeBase: number;
  /** Divisor of every position (linear scaling); 1 without scaling. */
  readonly ropeLinearFactor: number;
  /** Leading channels of a head that RoPE rotates. */
  readonly ropeDimensions: number;
  /** Tokens that the model was trained for. */
  readonly contextLength: number;
}
