import type { CacheShape } from "@kvtuner/plan";
import type { HeadErrors } from "./layer-errors.ts";

/** Measurements of one candidate at one layer. */
export interface CandidateProfile {
  /** Names the pair, `K8V4` for example. */
  readonly id: string;
  /** What the candidate costs: true bits a stored number at the profile's context length, or any other price. */
  readonly bits: number;
  /** Means over the samples measured. */
  readonly errors: HeadErrors;
  /** KL to the float cache with this layer alone quantized, nats a token. */
  readonly kl?: number;
}

/** Every candidate of one layer. */
export interface LayerProfile {
  /** Ordinal among the layers that have a KV cache. */
  readonly layer: number;
  readonly candidates: readonly CandidateProfile[];
}

/** Every candidate of every layer; goes through JSON unchanged. */
export interface Profile {
  readonly version: 1;
  readonly shape: CacheShape;
  /** Tokens in the cache at which bits were counted. */
  readonly contextLength: number;
  readonly layers: readonly LayerProfile[];
}
