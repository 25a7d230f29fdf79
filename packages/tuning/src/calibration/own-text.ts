import { cutSamples } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import type { Callbacks } from "../progress.ts";
import type { TunableModel } from "../tunable-model.ts";
import { CALIBRATION_PROMPTS } from "./prompts.ts";
import type { SampleOptions } from "./samples.ts";

const SHORTEST_SEGMENT = 128;

/** Sampling more than this would take hours and repeat itself. */
const MOST_TOKENS = 131_072;

/** Amount of the model's own text to sample, and the 32-bit seed. */
export interface OwnTextOptions extends SampleOptions {
  readonly seed: number;
}

/** Samples a model's own text. */
export type OwnText = (model: TunableModel, options: OwnTextOptions, callbacks: Callbacks) => Promise<Int32Array[]>;

/**
 * The model's own continuations of {@link CALIBRATION_PROMPTS}, joined and cut into samples. Such text resembles what the cache
 * will hold, and needs no download. The same seed gives the same text.
 *
 * @throws the signal's reason when aborted
 */
export const ownText: OwnText = async (model, { samples, sampleLength, seed }, { progress, signal }) => {
  const total = samples * sampleLength;
  const tokens = Math.max(Math.min(SHORTEST_SEGMENT, total), Math.ceil(total / CALIBRATION_PROMPTS.length));
  const prompts = CALIBRATION_PROMPTS.slice(0, Math.ceil(total / tokens));
  const onProgress = (done: number, all: number): void => {
    signal?.throwIfAborted();
    progress({ step: "calibrate", done, total: all });
  };
  const segments = await model.continuations(prompts, { tokens, seed, onProgress });
  return cutSamples(Int32Array.from(segments.flatMap((segment) => [...segment])), sampleLength, samples);
};

/**
 * Checks, before a model is loaded, that sampling the model's own text would not take hours.
 *
 * @throws OwnTextError naming the limit
 */
export const assertOwnTextIsSampled = ({ samples, sampleLength }: SampleOptions): void => {
  if (samples * sampleLength > MOST_TOKENS) throw new OwnTextError(samples, sampleLength);
};

/** More of the model's own text was requested than is sampled. */
export class OwnTextError extends KvtunerError {
  constructor(samples: number, sampleLength: number) {
    super(
      "OWN_TEXT_TOO_LONG",
      `expected at most ${MOST_TOKENS} tokens of the model's own text, got ${samples} samples of ${sampleLength}; ` +
        "use fewer or shorter samples, or a --text",
    );
    this.name = "OwnTextError";
  }
}
