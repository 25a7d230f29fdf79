import { join } from "node:path";
import { renderComparison } from "@kvtuner/report";
import {
  assertTextsAreSampled,
  callbacksOf,
  COMPARISON_FILES,
  COMPARISON_OPTIONS,
  compareModel,
  fillOptions,
  isCalibrated,
  METHODS,
  OptionError,
  stopwatch,
  thenDispose,
  TUNED,
  warnOnce,
  type Comparison,
  type ComparisonHooks,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { folderName } from "./folder-name.ts";
import { openModel } from "./model/open.ts";
import type { CompareOptions } from "./options.ts";
import { writeFileAtomic } from "./study/atomic-file.ts";
import { folderStorage } from "./study/folder-storage.ts";
import { inFolder } from "./study/in-folder.ts";
import { assertNoTaskOptions, readTask } from "./tasks/read-task.ts";
import { timePlans } from "./time-plans.ts";

/** Result of {@link compare}. */
export interface CompareResult extends Comparison {
  /** Comparison folder. */
  readonly out: string;
  readonly timeMs: Readonly<Record<string, number>>;
}

/**
 * Compares published methods with plans tuned per layer, at equal true bits, and writes a table and a chart into a folder. Run again
 * with the same options, it resumes.
 *
 * @throws KvtunerError for bad options, texts, models and folders; the signal's reason when aborted.
 */
export const compare = async (given: CompareOptions): Promise<CompareResult> => {
  const clock = stopwatch();
  const callbacks = warnOnce(callbacksOf(given));
  const options = optionsOf(given);
  if (given.task === undefined) assertNoTaskOptions(given);
  const task = given.task === undefined ? undefined : readTask({ ...given, task: given.task });
  const { context, sampleLength, calibrationSamples, calibrationLength } = options;
  const intended = {
    contextLength: Math.max(context, sampleLength, calibrationLength),
    ...(readsGradients(options.methods) && {
      gradients: { samples: calibrationSamples, sampleLength: calibrationLength },
    }),
  };
  const access = { ...callbacks, offline: given.offline === true };
  const model = typeof given.model === "string" ? await openModel(given.model, access, intended) : given.model;
  const out = given.out ?? join("comparisons", folderName(given.model, model.identity));
  const work = async (): Promise<CompareResult> => {
    const time = given.time === true ? timer(given, context) : undefined;
    const hooks = { ...callbacks, ownText: cachedOwnText, task, time };
    const comparison = await inFolder(out, () => compareModel(model, options, folderStorage(out), hooks));
    await writeComparison(comparison, out);
    return { ...comparison, out, timeMs: clock.timeMs() };
  };
  return typeof given.model === "string" ? thenDispose(work, () => model.dispose()) : work();
};

/**
 * Times plans on the model that the user named.
 *
 * @throws OptionError for a model that the caller opened
 */
const timer = ({ model, offline, ...options }: CompareOptions, context: number): ComparisonHooks["time"] => {
  if (typeof model !== "string")
    throw new OptionError("time", "used with the name or path of a model", "an opened one");
  const { onProgress, onWarning, signal } = options;
  const run = { ...(onProgress && { onProgress }), ...(onWarning && { onWarning }), ...(signal && { signal }) };
  return (plans) => timePlans(plans, context, { model, ...(offline === true && { offline }), ...run });
};

/** Whether a backward pass takes memory: for plans tuned per layer, and tables. */
const readsGradients = (names: readonly string[]): boolean =>
  names.includes(TUNED) || METHODS.some(({ name, settings }) => names.includes(name) && settings.some(isCalibrated));

/** Checked options, with the texts in place of their paths. */
const optionsOf = (given: CompareOptions): Parameters<typeof compareModel>[1] => {
  const { text, calibrationText, ...options } = fillOptions(COMPARISON_OPTIONS, given);
  const read = (path: string | undefined, option: string): string | undefined =>
    path === undefined ? undefined : readText(path, option);
  const scored = read(text ?? defaultText(given.model, "evaluation"), "text");
  const tuned = read(calibrationText ?? defaultText(given.model, "calibration"), "calibration-text");
  const filled = {
    ...options,
    ...(scored !== undefined && { text: scored }),
    ...(tuned !== undefined && { calibrationText: tuned }),
  };
  assertTextsAreSampled(filled);
  return filled;
};

/** Writes the page and the chart of a comparison into its folder. */
export const writeComparison = async (comparison: Comparison, folder: string): Promise<void> => {
  const { page, chart } = await renderComparison(comparison);
  writeFileAtomic(join(folder, COMPARISON_FILES.page), page);
  writeFileAtomic(join(folder, COMPARISON_FILES.chart), chart);
};
