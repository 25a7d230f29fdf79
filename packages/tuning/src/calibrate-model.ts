import { KvtunerError, planSize, type Plan, type PlanSize } from "@kvtuner/plan";
import { ownText, type OwnText } from "./calibration/own-text.ts";
import { textSamples } from "./calibration/samples.ts";
import { layersOfSetting, methodCandidates, nearestToLevels } from "./methods/candidates.ts";
import type { Calibration, CodedLayers, Method } from "./methods/method.ts";
import { METHODS } from "./methods/registry.ts";
import { choiceOption, numberOption, textOption, type Filled } from "./option-table.ts";
import { OptionError } from "./option-values.ts";
import type { Callbacks } from "./progress.ts";
import type { StudyStorage } from "./storage/storage.ts";
import { STUDY_OPTIONS } from "./study/options.ts";
import { writePlan } from "./study/plan-file.ts";
import { STUDY_FILES } from "./study/study.ts";
import type { TunableModel } from "./tunable-model.ts";

const NAMES = METHODS.map(({ name }) => name);

/** Options of {@link calibrateModel}. */
export const CALIBRATE_OPTIONS = {
  method: { ...choiceOption(NAMES, undefined, `published method: ${NAMES.join(", ")}`), isRequired: true },
  setting: {
    ...textOption("<label>", "setting of the method, such as K4V2 (default: the one nearest to --bits)"),
    conflicts: ["bits"],
  },
  bits: numberOption(
    "<n>",
    ["a number above 0 and up to 16", (bits) => bits > 0 && bits <= 16],
    undefined,
    "true bits at the context, everything but static tables counted: the method's nearest setting",
  ),
  text: textOption("<file>", "UTF-8 text file to calibrate on (default: the model's own continuations)"),
  samples: { ...STUDY_OPTIONS.samples, help: "number of samples to calibrate on" },
  sampleLength: STUDY_OPTIONS.sampleLength,
  context: STUDY_OPTIONS.context,
  seed: STUDY_OPTIONS.seed,
};

/** Options of a calibration with all defaults filled in; the text itself in place of its file. */
export type CalibrateOptions = Filled<typeof CALIBRATE_OPTIONS>;

/** A plan that stores every layer as a method's setting says. */
export interface CalibratedPlan {
  readonly plan: Plan;
  readonly method: string;
  readonly setting: string;
  /** Tokens at which the size was counted. */
  readonly context: number;
  readonly size: PlanSize;
}

/**
 * Writes the plan of a published method, with its static tables, into a storage. Only settings that need tables or scales read text.
 *
 * @throws OptionError for a setting that the method lacks, with those that it has
 * @throws CalibrationTargetError when the storage holds a plan already
 * @throws KvtunerError for a text that is too short, or heads that the setting does not fit
 */
export const calibrateModel = async (
  model: TunableModel,
  options: CalibrateOptions,
  storage: StudyStorage,
  hooks: Callbacks & { readonly ownText?: OwnText },
): Promise<CalibratedPlan> => {
  if ((await storage.list()).includes(STUDY_FILES.plan)) throw new CalibrationTargetError(storage.location);
  const { shape, identity } = model;
  const { context } = options;
  const method = METHODS.find(({ name }) => name === options.method)!;
  const { setting, layers, assets } = await codedLayers(method, options, calibrationOf(model, options, hooks), hooks);
  const plan: Plan = { version: 2, model: identity, shape, layers, ...(assets && { assets }) };
  await writePlan(storage, plan);
  return { plan, method: method.name, setting, context, size: planSize(plan, context) };
};

const codedLayers = async (
  method: Method,
  { setting: label, bits, context }: CalibrateOptions,
  { model, calibration }: CalibrationSource,
  { warn }: Callbacks,
): Promise<CodedLayers & { readonly setting: string }> => {
  const inputs = { shape: model.shape, context, calibration, warn };
  if (bits === undefined) {
    const setting = settingOf(method, label);
    return { setting: setting.label, ...(await layersOfSetting(setting, inputs)) };
  }
  const [nearest] = nearestToLevels(await methodCandidates([method], inputs), [bits]);
  if (nearest === undefined)
    throw new OptionError("method", "one with a setting that fits the model (see the warnings)", method.name);
  const { label: setting, layers, assets } = nearest;
  return { setting, layers, ...(assets && { assets }) };
};

const settingOf = ({ name, settings }: Method, label: string | undefined): Method["settings"][number] => {
  const found =
    settings.find((one) => one.label === label) ?? (label === undefined && settings.length === 1 && settings[0]);
  if (found) return found;
  const labels = settings.map((one) => one.label).join(", ");
  throw new OptionError("setting", `one of ${name}'s (${labels}), or --bits in its place`, label ?? "none");
};

interface CalibrationSource {
  readonly model: TunableModel;
  readonly calibration: () => Promise<Calibration>;
}

const calibrationOf = (
  model: TunableModel,
  options: CalibrateOptions,
  callbacks: Callbacks & { readonly ownText?: OwnText },
): CalibrationSource => {
  const { text, context, seed } = options;
  const read = async (): Promise<Calibration> => {
    const samples =
      text === undefined
        ? await (callbacks.ownText ?? ownText)(model, options, callbacks)
        : textSamples(model, text, options);
    return { model, samples, context, seed, callbacks };
  };
  let once: Promise<Calibration> | undefined;
  return { model, calibration: () => (once ??= read()) };
};

/** The folder holds a plan already, which is not overwritten. */
export class CalibrationTargetError extends KvtunerError {
  constructor(location: string) {
    super("PLAN_EXISTS", `expected a folder without a ${STUDY_FILES.plan}, got ${location}; give another --out folder`);
    this.name = "CalibrationTargetError";
  }
}
