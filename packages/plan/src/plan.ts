import type { Asset } from "./asset.ts";
import type { CacheShape, LayerScheme } from "./scheme.ts";

/** The model a plan was made for. */
export interface ModelIdentity {
  readonly name: string;
  readonly architecture: string;
  /** SHA-256 of the model file, or of all parts of a split one in order, in hexadecimal; absent if the plan was made without one. */
  readonly sha256?: string;
  /** Where the file came from, with its revision, such as `hf:OWNER/NAME:FILE@COMMIT`; absent for a local file. */
  readonly source?: string;
}

/** What was measured when the plan was chosen. */
export interface Measurement {
  /** Mean KL divergence to the float cache, nats a token. */
  readonly kl: number;
  readonly klStandardError?: number;
  readonly top1?: number;
  readonly perplexity?: number;
  /** Context length, in tokens, at which bytes were counted. */
  readonly contextLength: number;
  /** Where the figures come from, for people to read. */
  readonly text: string;
}

/** One layer scheme per attention layer, the model it belongs to, and what was measured. */
export interface Plan {
  readonly version: 2;
  readonly model: ModelIdentity;
  readonly shape: CacheShape;
  readonly layers: readonly LayerScheme[];
  /** Static tables that the layers share. */
  readonly assets?: readonly Asset[];
  readonly measured?: Measurement;
}
