import type { Backend } from "@kvtuner/backend";
import type { Decoder, Tokenizer, WeightStorage } from "@kvtuner/decoder";
import type { CacheShape, Plan } from "@kvtuner/plan";
import { OptionKvtunerError, seedNumber, wholeNumber, type OnProgress } from "@kvtuner/tuning";

import { BACKEND_NAMES } from "../model/backend.ts";
import { threadNumber } from "../options.ts";
import type { Variant } from "./variant.ts";

/** What {@link OpenPeer} is given. */
export interface PeerParts {
  readonly modelPath: string;
  readonly shape: CacheShape;
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
  readonly threads: number;
  /** The token ids that every variant processes; a cache must hold all of them. */
  readonly ids: Int32Array;
  /** Receives warnings. */
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Opens another program on the same model; its variants have the kind `peer`, and {@link bench} disposes of them. */
export type OpenPeer = (parts: PeerParts) => Promise<readonly Variant[]>;

/** Options of `bench`. */
export interface BenchOptions {
  /** Path of a GGUF file, or a name that `npm run model` fetches. */
  readonly model: string;
  /** Plans, paths of plan files, or shorthands like `kivi:K4V4`; ratios are to the first. */
  readonly plans: readonly (Plan | string)[];
  /** Tokens in the cache; 512, 4096, 8192 and 16384 by default. */
  readonly contexts?: readonly number[];
  /** Threads of the weights, of packed caches and of a peer; 1 by default, no more than there are cores. */
  readonly threads?: number;
  /**
   * What holds the packed caches: a name, the first of {@link BACKEND_NAMES} by default, or any backend, which stays the
   * caller's to dispose of.
   */
  readonly backend?: string | Backend;
  /** How weights are kept; default `stored-int8`, as in llama.cpp. */
  readonly weights?: WeightStorage;
  /** Whether the cache in float32 is timed too; true by default. */
  readonly float?: boolean;
  /** Another program to time in the same rounds. */
  readonly peer?: OpenPeer;
  /** Rounds in which every variant has its turn; 7 by default, 10000 at most. */
  readonly rounds?: number;
  /** Tokens decoded in a round; 8 by default. */
  readonly tokens?: number;
  /** Content of the cache: keys and values of a text, which also measures prefill, or synthetic ones; default `text`. */
  readonly fill?: "text" | "synthetic";
  /** Text file; built-in text over and over when absent. */
  readonly text?: string;
  /** Seed of synthetic keys and values, below 2^32; 0 by default. */
  readonly seed?: number;
  /** Whether plans that were tuned for other weights of the same shape are taken, with a warning; false by default. */
  readonly anyWeights?: boolean;
  readonly onProgress?: OnProgress;
  /** Receives warnings. */
  readonly onWarning?: (message: string) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** {@link BenchOptions} that say how to measure, checked and filled in. */
export interface BenchSettings {
  /** Ascending, without repeats. */
  readonly contexts: readonly number[];
  readonly threads: number;
  readonly backend: string | Backend;
  readonly weights: WeightStorage;
  readonly float: boolean;
  readonly rounds: number;
  readonly tokens: number;
  readonly fill: "text" | "synthetic";
  readonly seed: number;
}

/** Contexts of {@link BenchOptions}. */
export const DEFAULT_CONTEXTS: readonly number[] = [512, 4096, 8192, 16_384];

/**
 * Checks options and fills in defaults.
 *
 * @throws OptionKvtunerError naming the option
 */
export const benchSettings = (options: BenchOptions): BenchSettings => {
  if (options.plans.length === 0) throw new OptionKvtunerError("plan", "at least one plan like kivi:K4V4", "none");
  return {
    contexts: contextList(options.contexts ?? DEFAULT_CONTEXTS),
    threads: threadNumber(options.threads ?? 1),
    backend: options.backend ?? BACKEND_NAMES[0]!,
    weights: options.weights ?? "stored-int8",
    float: options.float ?? true,
    rounds: wholeNumber("rounds", options.rounds ?? 7, 1, MOST_ROUNDS),
    tokens: wholeNumber("tokens", options.tokens ?? 8, 1),
    fill: options.fill ?? "text",
    seed: seedNumber(options.seed),
  };
};

/** All times are kept until the end, and quartiles of more are no better. */
const MOST_ROUNDS = 10_000;

const contextList = (contexts: readonly number[]): number[] => {
  if (contexts.length === 0) throw new OptionKvtunerError("context", "at least one number of tokens", "none");
  for (const context of contexts) wholeNumber("context", context, 1);
  return [...new Set(contexts)].toSorted((a, b) => a - b);
};
