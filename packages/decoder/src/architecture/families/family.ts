import type { LayerReader } from "../layer-reader.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { RecurrentKind } from "../recurrent/recurrent-kind.ts";
import type { RopeConfig } from "../rope.ts";
import type { AttentionTemperature } from "../temperature.ts";
import type { FeedForwardWeights, ProjectionWeights } from "../weights.ts";

/** Sizes that the keys of a family are read with. */
export interface FamilySizes {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly queryHeads: number;
  /** Of the first layer, as is `queryHeads`. */
  readonly headSize: number;
  /** Whether each layer slides, also if its span is so long that it hides no token. */
  readonly slides: readonly boolean[];
  /** Tokens that the caller means to run; undefined for as many as the model holds best. */
  readonly intendedContext?: number;
}

/** What sets an architecture apart: how its keys and tensors are read, and which pieces its segments consist of. */
export interface Family {
  /** RoPE of each layer; throws for keys that are not supported. */
  readonly rope: (keys: ModelKeys, sizes: FamilySizes) => RopeConfig;
  /** For files with a span but no pattern: the last layer of each such period reads all tokens. All slide by default. */
  readonly slidingPeriod?: number;
  /** Whether files must have a span and a pattern; false by default. */
  readonly needsSlidingPattern?: boolean;
  /** Whether layers that slide may have heads of another size; false by default. */
  readonly mayDifferInHeadSize?: boolean;
  /** Whether layers may get numbers from an embedding of their own; false by default. */
  readonly hasLayerInputs?: boolean;
  /** Whether its layers may be mixtures of experts; false by default. */
  readonly mayHaveExperts?: boolean;
  /** Layers that keep a state in place of keys and values; the family has none by default. */
  readonly recurrent?: RecurrentKind;
  /** Factor of the embedding of every token; 1 by default. */
  readonly embeddingScale?: (sizes: FamilySizes, keys: ModelKeys) => number;
  /** Factor of what attention and feed-forward parts add to the residuals; 1 by default. */
  readonly residualScale?: (keys: ModelKeys) => number;
  /** Factor of logits; 1 by default. */
  readonly logitScale?: (keys: ModelKeys) => number;
  /** Factor of attention scores in files without `attention.scale`; `1 / sqrt(headSize)` by default. */
  readonly attentionScale?: (sizes: FamilySizes) => number;
  /** Attention temperature; none by default. */
  readonly temperature?: (keys: ModelKeys) => AttentionTemperature | undefined;
  /** Reads the part of a segment before a layer's attention; a recurrent layer has a mixer in its place. */
  readonly projection: (layer: LayerReader) => Promise<ProjectionWeights>;
  /** Reads the part of a segment after a layer's attention, or after its mixer. */
  readonly feedForward: (layer: LayerReader) => Promise<FeedForwardWeights>;
}
