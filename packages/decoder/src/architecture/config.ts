import type { CacheShape } from "@kvtuner/plan";
import type { RopeConfig } from "./rope.ts";
import type { AttentionTemperature } from "./temperature.ts";

/** Properties of a model that its decoder depends on. */
export interface DecoderConfig extends CacheShape {
  /** `general.architecture` of the file. */
  readonly architecture: string;
  readonly name: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly normEpsilon: number;
  /** Factor of the embedding of every token. */
  readonly embeddingScale: number;
  /** Factor of what attention and feed-forward parts add to the residuals. */
  readonly residualScale: number;
  /** Factor of logits. */
  readonly logitScale: number;
  /** Factor of attention scores. */
  readonly attentionScale: number;
  readonly rope: RopeConfig;
  /** Makes queries grow with their position. */
  readonly temperature?: AttentionTemperature;
  /** Newest tokens that a query of each layer reads, its own included; undefined for a layer that reads all. */
  readonly spans: readonly (number | undefined)[];
  /** Tokens that the model was trained for, with the RoPE that was chosen. */
  readonly contextLength: number;
}
