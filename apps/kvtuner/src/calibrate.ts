import { join } from "node:path";
import {
  assertOwnTextIsSampled,
  CALIBRATE_OPTIONS,
  calibrateModel,
  callbacksOf,
  fillOptions,
  isCalibrated,
  METHODS,
  STUDY_FILES,
  stopwatch,
  thenDispose,
  warnOnce,
  type CalibratedPlan,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { folderName } from "./folder-name.ts";
import { openModel } from "./model/open.ts";
import type { CalibrationOptions } from "./options.ts";
import { folderStorage } from "./study/folder-storage.ts";
import { inFolder } from "./study/in-folder.ts";

/** Result of {@link calibrate}. */
export interface CalibrateResult extends CalibratedPlan {
  /** Path of the plan file; its tables lie beside it. */
  readonly path: string;
  readonly timeMs: Readonly<Record<string, number>>;
}

/**
 * Writes the plan of a published method for a model, with its static tables, into a folder.
 *
 * @throws KvtunerError for bad options, texts and models, and for a folder that holds a plan; the signal's reason when aborted.
 */
export const calibrate = async (given: CalibrationOptions): Promise<CalibrateResult> => {
  const clock = stopwatch();
  const callbacks = warnOnce(callbacksOf(given));
  const options = optionsOf(given);
  const { context: contextLength, samples, sampleLength } = options;
  const access = { ...callbacks, offline: given.offline === true };
  const intended = { contextLength, ...(mayCalibrate(options) && { gradients: { samples, sampleLength } }) };
  const model = typeof given.model === "string" ? await openModel(given.model, access, intended) : given.model;
  const out = given.out ?? join("plans", `${folderName(given.model, model.identity)}-${options.method}`);
  const work = async (): Promise<CalibrateResult> => {
    const hooks = { ...callbacks, ownText: cachedOwnText };
    const result = await inFolder(out, () => calibrateModel(model, options, folderStorage(out), hooks));
    return { ...result, path: join(out, STUDY_FILES.plan), timeMs: clock.timeMs() };
  };
  return typeof given.model === "string" ? thenDispose(work, () => model.dispose()) : work();
};

/** Whether the setting, or one of those that `--bits` chooses from, reads the calibration text. */
const mayCalibrate = ({ method, setting: label }: ReturnType<typeof optionsOf>): boolean =>
  METHODS.some(
    ({ name, settings }) =>
      name === method && settings.some((one) => isCalibrated(one) && (label === undefined || one.label === label)),
  );

/** Checked options, with the text in place of its path. */
const optionsOf = (given: CalibrationOptions): Parameters<typeof calibrateModel>[1] => {
  const { text: path, ...options } = fillOptions(CALIBRATE_OPTIONS, given);
  const own = path ?? defaultText(given.model, "calibration");
  if (own === undefined) assertOwnTextIsSampled(options);
  return { ...options, ...(own !== undefined && { text: readText(own) }) };
};
