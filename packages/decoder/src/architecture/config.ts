import type { RopeConfig } from "./rope.ts";
import type { AttentionTemperature } from "./temperature.ts";

/** Sizes of a mixture of experts. */
export interface ExpertSizes {
  /** Experts of each layer. */
  readonly count: number;
  /** Experts that each token uses. */
  readonly used: number;
  readonly feedForwardSize: number;
  /** Of the expert that every token uses besides, if there is one. */
  readonly sharedFeedForwardSize?: number;
}

/** Layers that keep a state of fixed size in place of keys and values. */
export interface RecurrentConfig {
  /** What they compute, for people. */
  readonly kind: string;
  /** For each layer, whether it is one of them. */
  readonly at: readonly boolean[];
  /** Arrays of a layer's state of one sequence, by their names: float32 of these dimensions. */
  readonly states: Readonly<Record<string, readonly number[]>>;
}

/** Sizes of one layer. */
export interface LayerSizes {
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardSize: number;
}

/** Properties of a model that its decoder depends on. */
export interface DecoderConfig extends LayerSizes {
  /** `general.architecture` of the file. */
  readonly architecture: string;
  readonly name: string;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Sizes of each layer. Those beside this list are the first layer's. */
  readonly layerSizes: readonly LayerSizes[];
  /** Numbers that each layer gets from an embedding of its own; absent without one. */
  readonly layerInputSize?: number;
  /** In a mixture of experts, which each layer has in place of one feed-forward network. */
  readonly experts?: ExpertSizes;
  readonly normEpsilon: number;
  /** Factor of the embedding of every token. */
  readonly embeddingScale: number;
  /** Factor of what attention and feed-forward parts add to the residuals. */
  readonly residualScale: number;
  /** Factor of logits. */
  readonly logitScale: number;
  /** Logits become `cap * tanh(logits / cap)`, after scaling; undefined if they are not capped. */
  readonly logitCap?: number;
  /** Factor of attention scores, if it is not the usual one of each layer's head size. */
  readonly attentionScale?: number;
  readonly rope: RopeConfig;
  /** Makes queries grow with their position. */
  readonly temperature?: AttentionTemperature;
  /** Newest tokens that a query of each layer reads, its own included; undefined for a layer that reads all. */
  readonly spans: readonly (number | undefined)[];
  /** The layer whose cache each layer reads: its own index, or an earlier one. `layers` counts both kinds. */
  readonly cacheOf: readonly number[];
  /** Layers of the file after `layers`, which predict further tokens for speculative decoding and are not run; 0 without. */
  readonly draftLayers: number;
  /** Layers without attention; absent if all attend. */
  readonly recurrentLayers?: RecurrentConfig;
  /** Tokens that the model was trained for, with the RoPE that was chosen. */
  readonly contextLength: number;
}
