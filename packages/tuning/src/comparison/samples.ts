import type { ModelIdentity } from "@kvtuner/plan";
import { z } from "zod";
import { assertOwnTextIsSampled, ownText, type OwnText } from "../calibration/own-text.ts";
import { textSamples, type SampleOptions } from "../calibration/samples.ts";
import type { Callbacks } from "../progress.ts";
import { sha256 } from "../sha256.ts";
import { readRecord, writeRecord, type StudyStorage } from "../storage/storage.ts";
import { assertSameSettings } from "../study/settings.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { ComparisonOptions } from "./options.ts";
import { COMPARISON_FILES } from "./record.ts";

const tokens = z.array(z.array(z.int().min(0)).min(1)).min(1);
const schema = z.object({ scoring: tokens, calibration: tokens });

/** Token ids of the samples that plans are scored on, and of those that they are tuned and calibrated on. */
export interface ComparisonSamples {
  readonly scoring: readonly Int32Array[];
  readonly calibration: readonly Int32Array[];
}

/** Checks, before a model is loaded, that its own text would not take hours. */
export const assertTextsAreSampled = (options: ComparisonOptions): void => {
  if (options.text === undefined) assertOwnTextIsSampled(options);
  if (options.calibrationText === undefined) assertOwnTextIsSampled(calibrationSizes(options));
};

/**
 * Cuts the texts into samples, or reads those of an earlier run. The model's own text is sampled with one seed for calibration and the
 * next one for scoring, so that no plan is scored on what it was tuned on.
 *
 * @throws StudyDiffersError when the storage holds a comparison on other samples
 */
export const comparisonSamples = async (
  model: TunableModel,
  options: ComparisonOptions,
  storage: StudyStorage,
  callbacks: Callbacks & { readonly ownText?: OwnText },
): Promise<ComparisonSamples> => {
  const settings = await settingsOf(model.identity, options);
  const existing = await readRecord(storage, COMPARISON_FILES.settings);
  if (existing !== undefined) assertSameSettings(storage.location, existing as object, settings);
  const known = await readSamples(storage, callbacks.warn);
  if (known !== undefined) return known;
  const cut = (text: string | undefined, sizes: SampleOptions, seed: number): Promise<Int32Array[]> | Int32Array[] =>
    text === undefined
      ? (callbacks.ownText ?? ownText)(model, { ...sizes, seed }, callbacks)
      : textSamples(model, text, sizes);
  const calibration = await cut(options.calibrationText, calibrationSizes(options), options.seed);
  const scoring = await cut(options.text, options, (options.seed + 1) % 2 ** 32);
  await writeRecord(storage, COMPARISON_FILES.settings, settings);
  await writeRecord(storage, COMPARISON_FILES.samples, {
    scoring: scoring.map((ids) => [...ids]),
    calibration: calibration.map((ids) => [...ids]),
  });
  return { scoring, calibration };
};

const calibrationSizes = ({ calibrationSamples, calibrationLength }: ComparisonOptions): SampleOptions => ({
  samples: calibrationSamples,
  sampleLength: calibrationLength,
});

const readSamples = async (
  storage: StudyStorage,
  warn: (message: string) => void,
): Promise<ComparisonSamples | undefined> => {
  try {
    const value = await readRecord(storage, COMPARISON_FILES.samples);
    if (value === undefined) return undefined;
    const { scoring, calibration } = schema.parse(value);
    const arrays = (samples: readonly (readonly number[])[]): Int32Array[] =>
      samples.map((ids) => Int32Array.from(ids));
    return { scoring: arrays(scoring), calibration: arrays(calibration) };
  } catch {
    warn(`${COMPARISON_FILES.samples} is damaged: the texts are cut again`);
    return undefined;
  }
};

/** Everything that shapes a score, apart from the plan. Methods and levels may differ between runs. */
const settingsOf = async (
  model: ModelIdentity,
  { methods: _, bits: __, text, calibrationText, ...options }: ComparisonOptions,
): Promise<object> => {
  const digest = async (own: string | undefined): Promise<string> => (own === undefined ? "self" : sha256(own));
  return {
    version: 1,
    model,
    ...options,
    text: await digest(text),
    calibrationText: await digest(calibrationText),
  };
};

/** The texts in words. */
export const describeTexts = (options: ComparisonOptions): { scoredOn: string; tunedOn: string } => ({
  scoredOn: sizesText(options, options.text === undefined ? "the model's own text, another seed" : "the text"),
  tunedOn: sizesText(
    calibrationSizes(options),
    options.calibrationText === undefined ? "the model's own text" : "the calibration text",
  ),
});

const sizesText = ({ samples, sampleLength }: SampleOptions, text: string): string =>
  `${samples} ${samples === 1 ? "sample" : "samples"} of ${sampleLength} tokens of ${text}`;
