import { KvtunerError, type CacheShape } from "@kvtuner/plan";
import { methodCandidates, ownAssets, type Candidate } from "../methods/candidates.ts";
import { digestOf } from "../methods/digest.ts";
import { isCalibrated, type Calibration, type Method } from "../methods/method.ts";
import { METHODS } from "../methods/registry.ts";
import type { Coding } from "../space/mixed-space.ts";
import type { StudyStorage } from "../storage/storage.ts";
import type { TunableModel } from "../tunable-model.ts";
import { settingName, type SearchedSetting } from "./codecs.ts";
import { countingModel } from "./counting-model.ts";
import { calibratedRecords, keptSettings } from "./kept-settings.ts";
import { readPlan } from "./plan-file.ts";
import type { StudySettings } from "./settings.ts";
import { storesPlan, type Target } from "./storable.ts";
import { readStep, type Study } from "./study.ts";

/** What {@link codingsStep} depends on. */
export interface CodingInputs extends Calibration {
  readonly records: Study;
  /** What to search in a new study. */
  readonly settings: readonly SearchedSetting[];
  /** The backend that has to store it; any does by default. */
  readonly target: Target | undefined;
}

/**
 * The codings that a study searches. The first run calibrates them and records which fit the model and the backend, with digests;
 * later runs search the same, whatever backends can store by then.
 *
 * @throws CodingsError when tables are no longer those that the study was measured with
 */
export const codingsStep = async (inputs: CodingInputs): Promise<Coding[]> => {
  const { records, target, model, callbacks } = inputs;
  const known = await records.read("codecs");
  const settings = known ? known.settings.map(({ name }) => namedSetting(name)) : inputs.settings;
  const candidates = await counted(inputs, async (counting) => candidatesOf(settings, { ...inputs, model: counting }));
  const { shape } = model;
  const isStored = (plan: Candidate): boolean =>
    known !== undefined || !target || storesPlan(target, { shape, ...plan });
  const stored = candidates.filter(isStored);
  const left = candidates.filter((one) => !stored.includes(one)).map(nameOf);
  if (left.length > 0)
    callbacks.warn(`backend ${target!.name} cannot store ${left.join(", ")}: left out of the search`);
  const digested = await Promise.all(stored.map(async (one) => ({ name: nameOf(one), digest: await digestOf(one) })));
  if (known === undefined) await records.write("codecs", { settings: digested });
  else assertSame(known.settings, digested, records.storage);
  return stored.map(codingOf);
};

/** Records the passes of a model that fitting takes, also when it fails: a later run fits only what is missing. */
const counted = async <Result>(
  { records, model, samples }: Pick<CodingInputs, "records" | "model" | "samples">,
  fit: (model: TunableModel) => Promise<Result>,
): Promise<Result> => {
  const counter = countingModel(model, samples.length);
  try {
    return await fit(counter.model);
  } finally {
    if (counter.passes() > 0) {
      const before = (await records.read("fitting"))?.passes ?? 0;
      await records.write("fitting", { passes: before + counter.passes() });
    }
  }
};

const nameOf = ({ method, label }: Candidate): string => `${method}:${label}`;

const codingOf = (one: Candidate): Coding => ({ name: nameOf(one), layers: one.layers, assets: one.assets ?? [] });

const candidatesOf = (
  settings: readonly SearchedSetting[],
  { model, context, seed, samples, callbacks, records: { storage } }: Omit<CodingInputs, "settings" | "target">,
): Promise<Candidate[]> => {
  const calibration = { model, samples, context, seed, callbacks };
  return methodCandidates(methodsOf(settings, storage), {
    shape: model.shape,
    context,
    calibration: async () => calibration,
    warn: callbacks.warn,
  });
};

/** The methods with these settings alone, whose tables are kept in the study. */
const methodsOf = (settings: readonly SearchedSetting[], storage: StudyStorage): Method[] =>
  [...new Set(settings.map(({ method }) => method))].map((method) =>
    keptSettings(
      { ...method, settings: settings.filter((one) => one.method === method).map(({ setting }) => setting) },
      storage,
    ),
  );

const namedSetting = (name: string): SearchedSetting => {
  const all = METHODS.flatMap((method) => method.settings.map((setting) => ({ method, setting })));
  const found = all.find((one) => settingName(one) === name);
  if (found === undefined) throw new CodingsError(`this version of KVTuner has no setting ${name}`);
  return found;
};

const assertSame = (
  before: readonly { readonly name: string; readonly digest: string }[],
  now: readonly { readonly name: string; readonly digest: string }[],
  { location }: StudyStorage,
): void => {
  const changed = before.filter(({ name, digest }) => now.find((one) => one.name === name)?.digest !== digest);
  if (changed.length === 0) return;
  throw new CodingsError(
    `expected the tables that the study in ${location} was measured with, got others for ${changed.map(({ name }) => name).join(", ")}`,
  );
};

/**
 * The codings that a study recorded, to read it without a model; none in a study of pairs alone.
 *
 * @throws KvtunerError when a record or tables are missing or damaged
 */
export const readCodings = async (storage: StudyStorage, settings: StudySettings): Promise<Coding[]> => {
  const record = await readStep(storage, "codecs", settings);
  return Promise.all(
    (record?.settings ?? []).map(async ({ name }) => readCoding(storage, namedSetting(name), settings.shape)),
  );
};

const readCoding = async (storage: StudyStorage, searched: SearchedSetting, shape: CacheShape): Promise<Coding> => {
  const { method, setting } = searched;
  const name = settingName(searched);
  const coded = isCalibrated(setting)
    ? await readPlan(storage, calibratedRecords(method.name, setting.label))
    : { layers: setting.layers(shape) };
  if (coded === undefined) throw new CodingsError(`the study in ${storage.location} lacks the tables of ${name}`);
  return { name, assets: [], ...ownAssets(name, coded) };
};

/** A study's tables are missing, or not those that it was measured with. */
export class CodingsError extends KvtunerError {
  constructor(reason: string) {
    super(
      "STUDY_TABLES",
      `${reason}; restore the files calibrated-* of the study, or start it again in another --out folder`,
    );
    this.name = "CodingsError";
  }
}
