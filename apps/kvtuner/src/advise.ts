import {
  type Advice,
  adviseModel,
  assertOwnTextIsSampled,
  type Callbacks,
  callbacksOf,
  fillOptions,
  RUNTIMES,
  stopwatch,
  textSamples,
  thenDispose,
  type TunableModel,
  warnOnce,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { openModel } from "./model/open.ts";
import { ADVISE_OPTIONS, type AdviseOptions } from "./options.ts";

/** Result of {@link advise}. */
export interface AdviceResult extends Advice {
  readonly timeMs: Readonly<Record<string, number>>;
}

/**
 * Ranks the settings of another runtime's cache by what they lose on a model, within a budget.
 *
 * @throws KvtunerError for bad options, texts and models, and when no setting fits; the signal's reason when aborted
 */
export const advise = async (given: AdviseOptions): Promise<AdviceResult> => {
  const clock = stopwatch();
  const callbacks = warnOnce(callbacksOf(given));
  const {
    for: name,
    text: path = defaultText(given.model, "evaluation"),
    ...options
  } = fillOptions(ADVISE_OPTIONS, given);
  const runtime = RUNTIMES.find((known) => known.name === name)!;
  const text = path === undefined ? undefined : readText(path);
  if (text === undefined) assertOwnTextIsSampled(options);
  const { context, sampleLength } = options;
  const intended = { contextLength: Math.max(context, sampleLength), gradients: { samples: 1, sampleLength } };
  const access = { ...callbacks, offline: given.offline === true };
  const model = await clock.time("load", async () =>
    typeof given.model === "string" ? openModel(given.model, access, intended) : given.model,
  );
  const work = async (): Promise<AdviceResult> => {
    const samples = await clock.time("text", () => samplesOf(model, text, options, callbacks));
    const request = { ...options, runtime, samples };
    const advice = await clock.time("advise", () => adviseModel(model, request, callbacks));
    return { ...advice, timeMs: clock.timeMs() };
  };
  return typeof given.model === "string" ? thenDispose(work, () => model.dispose()) : work();
};

const samplesOf = async (
  model: TunableModel,
  text: string | undefined,
  options: { readonly samples: number; readonly sampleLength: number; readonly seed: number },
  callbacks: Callbacks,
): Promise<Int32Array[]> =>
  text === undefined ? cachedOwnText(model, options, callbacks) : textSamples(model, text, options);
