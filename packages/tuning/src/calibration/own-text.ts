import { cutSamples } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import type { RunContext } from "../progress.ts";
import type { TunableModel } from "../tunable-model.ts";
import { CALIBRATION_PROMPTS } from "./prompts.ts";
import type { SampleOptions } from "./samples.ts";

const SHORTEST_SEGMENT = 128;

/** Sampling more than this would take hours, and repeat what twelve prompts lead to. */
const MOST_TOKENS = 131_072;

/** How much of a model's own text is sampled, and by which 32-bit seed. */
export interface OwnTextOptions extends SampleOptions {
  readonly seed: number;
}

/** Samples a model's own text. */
export type OwnText = (model: TunableModel, options: OwnTextOptions, context: RunContext) => Promise<Int32Array[]>;

/**
 * The model's own continuations of {@link CALIBRATION_PROMPTS}, one after the other, cut into samples: text of the
 * kind its cache will hold, with nothing to fetch. Seeded.
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
 * Refuses more of the model's own text than anyone would wait for, before a model is loaded.
 *
 * @throws OwnTextError with the number of tokens.
 */
export const assertOwnTextIsSampled = ({ samples, sampleLength }: SampleOptions): void => {
  if (samples * sampleLength > MOST_TOKENS) throw new OwnTextError(samples, sampleLength);
};

/** More text of the model's own than is sampled. */
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
