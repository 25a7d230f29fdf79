import { KvtunerError, type Plan } from "@kvtuner/plan";
import { PlanFileError } from "@kvtuner/plan/files";
import {
  type Calibration,
  type CodedLayers,
  isCalibrated,
  type Method,
  type MethodSetting,
} from "../methods/method.ts";
import { PlanUnreadableError } from "../plan-file-error.ts";
import type { Callbacks } from "../progress.ts";
import { isDamage, reasonOf } from "../storage/reason.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { type PlanRecords, readPlan, writePlan } from "./plan-file.ts";

/** Records of a calibrated setting and its tables. */
export const calibratedRecords = (method: string, label: string): PlanRecords => {
  const name = `calibrated-${method}-${label.replaceAll(/[^A-Za-z0-9_.-]/g, "-")}`;
  return { plan: `${name}.json`, assets: `${name}.safetensors` };
};

/** The method with calibrated settings that are kept in a storage, so that a resumed run does not calibrate again. */
export const keptSettings = (method: Method, storage: StudyStorage): Method => ({
  ...method,
  settings: method.settings.map((setting) =>
    isCalibrated(setting)
      ? { ...setting, calibrate: (calibration) => kept(method.name, setting, calibration, storage) }
      : setting,
  ),
});

const kept = async (
  method: string,
  { label, calibrate }: Extract<MethodSetting, { calibrate: unknown }>,
  calibration: Calibration,
  storage: StudyStorage,
): Promise<CodedLayers> => {
  const records = calibratedRecords(method, label);
  const known = await undamaged(records, storage, calibration.callbacks);
  if (known !== undefined) return known;
  const callbacks = noted(calibration.callbacks, `${method} ${label}`);
  const coded = await calibrate({ ...calibration, callbacks }).catch(named(`${method}:${label}`));
  const { identity, shape } = calibration.model;
  await writePlan(storage, { version: 2, model: identity, shape, ...coded }, records);
  // As a resumed run reads it, so that both give one digest.
  return (await readPlan(storage, records)) ?? coded;
};

/** The kept plan; undefined if it is missing or, with a warning, damaged. */
const undamaged = async (
  records: PlanRecords,
  storage: StudyStorage,
  { warn }: Callbacks,
): Promise<Plan | undefined> => {
  try {
    return await readPlan(storage, records);
  } catch (error) {
    const cause = error instanceof PlanUnreadableError ? error.cause : undefined;
    if (!isDamage(cause) && !(cause instanceof PlanFileError)) throw error;
    warn(`${records.plan} or its tables are damaged: ${reasonOf(cause)}; the setting is calibrated again`);
    return undefined;
  }
};

/** Too little text for one setting of many is an error that names it. */
const named =
  (setting: string) =>
  (cause: unknown): never => {
    if (!KvtunerError.isInstance(cause) || cause.code !== "CALIBRATION_TEXT_TOO_SHORT") throw cause;
    throw new KvtunerError(cause.code, `${setting}: ${cause.message}`, { cause });
  };

/** Progress of tables names the setting that they are for. */
const noted = (callbacks: Callbacks, note: string): Callbacks => ({
  ...callbacks,
  progress: (progress) => callbacks.progress(progress.step === "tables" ? { ...progress, note } : progress),
});
