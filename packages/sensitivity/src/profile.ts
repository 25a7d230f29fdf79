import type { CacheShape } from "@kvtuner/plan";
import type { HeadErrors } from "./layer-errors.ts";

/** Measurements of one candidate at one layer. */
export interface CandidateProfile {
  /** Names the pair, for example `K8V4`. */
  readonly id: string;
  /** Cost of the candidate: true bits per stored number at the profile's context length, or another price. */
  readonly bits: number;
  /** Means over the measured samples. */
  readonly errors: HeadErrors;
  /** KL to the float cache with only this layer quantized, nats per token. */
  readonly kl?: number;
}

/** Every candidate of one layer. */
export interface LayerProfile {
  /** Ordinal among the layers that have a KV cache. */
  readonly layer: number;
  readonly candidates: readonly CandidateProfile[];
}

/** Every candidate of every layer. Survives JSON unchanged. */
export interface Profile {
  readonly version: 1;
  readonly shape: CacheShape;
  /** Tokens in the cache at which bits were counted. */
  readonly contextLength: number;
  readonly layers: readonly LayerProfile[];
}
