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
  /** KL to the float cache with only this layer quantized, nats per token, as measured. */
  readonly kl?: number;
  /** The same as the sum of the candidate's halves, each estimated from gradients or, where that fails, measured. */
  readonly estimate?: number;
}

/** A layer with only its keys or only its values quantized. */
export interface HalfProfile {
  /** Names the scheme, for example `compact:K4V16`. */
  readonly id: string;
  /** KL estimated from gradients, nats per token. */
  readonly estimate: number;
  readonly standardError: number;
  /** e_o²: squared error of the attention output over its squared size. */
  readonly outputError: number;
  /** KL as measured; absent where the estimate was good enough. */
  readonly kl?: number;
}

/** Every candidate of one layer. */
export interface LayerProfile {
  /** Ordinal among the layers that have a KV cache. */
  readonly layer: number;
  readonly candidates: readonly CandidateProfile[];
  /** Halves of the candidates, if they were estimated from gradients. */
  readonly halves?: readonly HalfProfile[];
  /** Estimated KL of the coarsest candidate over the sum of its halves. */
  readonly additivity?: number;
}

/** Every candidate of every layer. Survives JSON unchanged. */
export interface Profile {
  readonly version: 1;
  readonly shape: CacheShape;
  /** Tokens in the cache at which bits were counted. */
  readonly contextLength: number;
  readonly layers: readonly LayerProfile[];
}
