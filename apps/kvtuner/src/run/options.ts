import { availableParallelism } from "node:os";

import type { Backend } from "@kvtuner/backend";
import type { ChatMessage, WeightStorage } from "@kvtuner/decoder";
import type { Plan } from "@kvtuner/plan";
import { OptionKvtunerError, seedNumber, wholeNumber, type OnProgress } from "@kvtuner/tuning";

import { BACKEND_NAMES } from "../model/backend.ts";
import { threadNumber } from "../options.ts";

/** Options shared by all generations of one model under one plan. */
export interface RunnerOptions {
  /** Path of a GGUF file, or a name that `npm run model` fetches. */
  readonly model: string;
  /** A plan, the path of a plan file, or shorthand like `kivi:K4V2+sinks4`. */
  readonly plan: Plan | string;
  /**
   * What holds the cache: a name, the first of {@link BACKEND_NAMES} by default, or any backend, which stays the caller's to
   * dispose of.
   */
  readonly backend?: string | Backend;
  /** How weights are kept; default `stored`. */
  readonly weights?: WeightStorage;
  /** Threads of the weight segments, and of the backend when it is given by name; all cores by default, and at most. */
  readonly threads?: number;
  /** Whether a plan that was tuned for other weights of the same shape is taken, with a warning; false by default. */
  readonly anyWeights?: boolean;
  readonly onProgress?: OnProgress;
  /** Receives warnings. */
  readonly onWarning?: (message: string) => void;
  /** Stops the loading of the model. */
  readonly signal?: AbortSignal;
}

/** Options of one generated text. */
export interface GenerationOptions {
  /** A text to go on from as it is, or a conversation to answer by the model's chat template. */
  readonly prompt: string | readonly ChatMessage[];
  /** The most tokens to generate; 256 by default. */
  readonly maxTokens?: number;
  /** 0, the default, takes the likeliest token. */
  readonly temperature?: number;
  /** Only the fewest likeliest tokens that hold this share of the probability are drawn from; all by default. */
  readonly topP?: number;
  /** Only this many of the likeliest tokens are drawn from; all by default. */
  readonly topK?: number;
  /** Texts that end the generation, and are not part of it; none by default. */
  readonly stop?: readonly string[];
  /** Seed of what is drawn at a temperature above 0, below 2^32; 0 by default. */
  readonly seed?: number;
  /** Reads special tokens in user messages as such, so that they can open and end turns; false by default. */
  readonly specialTokens?: boolean;
  /** Told the text as it comes, in whole characters. */
  readonly onText?: (text: string) => void;
  /** Ends the generation; what was generated until then is the result. */
  readonly signal?: AbortSignal;
}

/** {@link RunnerOptions} checked and filled in. */
export interface RunnerSettings {
  readonly backend: string | Backend;
  readonly weights: WeightStorage;
  readonly threads: number;
}

/** {@link GenerationOptions} checked and filled in. */
export interface GenerationSettings {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number | undefined;
  readonly stop: readonly string[];
  readonly seed: number;
}

/**
 * Checks the options of a generation.
 *
 * @throws OptionKvtunerError naming the option
 */
export const generationSettings = ({
  maxTokens,
  temperature,
  topP,
  topK,
  stop,
  seed,
}: Omit<GenerationOptions, "prompt">): GenerationSettings => ({
  maxTokens: wholeNumber("max-tokens", maxTokens ?? 256, 1),
  temperature: within("temperature", temperature ?? 0, "a number from 0 on", (value) => value >= 0),
  topP: within("top-p", topP ?? 1, "a number above 0 and up to 1", (value) => value > 0 && value <= 1),
  topK: topK === undefined ? undefined : wholeNumber("top-k", topK, 1),
  stop: stopTexts(stop ?? []),
  seed: seedNumber(seed),
});

const stopTexts = (texts: readonly string[]): readonly string[] => {
  if (!texts.includes("")) return texts;
  throw new OptionKvtunerError("stop", "a text of at least one character", "none");
};

const within = (name: string, value: number, expected: string, holds: (value: number) => boolean): number => {
  if (Number.isFinite(value) && holds(value)) return value;
  throw new OptionKvtunerError(name, expected, String(value));
};

/** Ways to hold weights. */
export const WEIGHTS: readonly WeightStorage[] = ["float32", "stored", "stored-int8"];

/**
 * Checks the options of a runner.
 *
 * @throws OptionKvtunerError naming the option
 */
export const runnerSettings = ({ backend, weights, threads }: RunnerOptions): RunnerSettings => ({
  backend: typeof backend === "object" ? backend : oneOf("backend", backend ?? BACKEND_NAMES[0] ?? "", BACKEND_NAMES),
  weights: oneOf("weights", weights ?? "stored", WEIGHTS),
  threads: threadNumber(threads ?? availableParallelism()),
});

const oneOf = <Choice extends string>(name: string, value: Choice, choices: readonly Choice[]): Choice => {
  if (choices.includes(value)) return value;
  throw new OptionKvtunerError(name, `one of ${choices.join(", ")}`, JSON.stringify(value));
};
