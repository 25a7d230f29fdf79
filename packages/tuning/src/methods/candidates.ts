import { assertHeadFits, KvtunerError, layerShape, planSize, type CacheShape, type PlanSize } from "@kvtuner/plan";
import { OptionError } from "../option-values.ts";
import { type Calibration, type CodedLayers, isCalibrated, type Method, type MethodSetting } from "./method.ts";
import { prefixedAssets } from "./prefixed-assets.ts";

/** A plan to compare. Names of its tables begin with that of the setting. */
export interface Candidate extends CodedLayers, Pick<PlanSize, "bits" | "bytes"> {
  readonly method: string;
  readonly title: string;
  readonly label: string;
}

/** What {@link methodCandidates} depends on. */
export interface CandidateInputs {
  readonly shape: CacheShape;
  readonly context: number;
  /** Made for the first setting that needs it. */
  readonly calibration: () => Promise<Calibration>;
  /** Receives what was left out, and why. */
  readonly warn: (message: string) => void;
}

/** The settings of methods as plans for a model. Settings that its heads do not fit are left out. */
export const methodCandidates = async (methods: readonly Method[], inputs: CandidateInputs): Promise<Candidate[]> => {
  const candidates: Candidate[] = [];
  for (const { name, title, settings } of methods)
    for (const setting of settings) {
      const own = `${name}:${setting.label}`;
      const fits = await fitting(own, setting, inputs);
      const coded = fits && ownAssets(own, fits);
      if (coded !== undefined) candidates.push(candidate({ method: name, title, label: setting.label }, coded, inputs));
    }
  return candidates;
};

/** The layers of a setting such as `kvquant:nuq3`, with its name before those of its tables. */
export const ownAssets = (setting: string, coded: CodedLayers): CodedLayers =>
  // Names of tables allow few characters.
  prefixedAssets(setting.replaceAll(/[^A-Za-z0-9_.-]/g, "-"), coded);

/** A plan with its size. */
export const candidate = (
  names: Pick<Candidate, "method" | "title" | "label">,
  coded: CodedLayers,
  { shape, context }: Pick<CandidateInputs, "shape" | "context">,
): Candidate => {
  const { bits, bytes } = planSize({ layers: coded.layers, shape }, context);
  return { ...names, ...coded, bits, bytes };
};

/** How a setting stores a model's layers. Throws where the model's heads, or the text, do not fit it. */
export const layersOfSetting = async (
  setting: MethodSetting,
  { shape, calibration }: Pick<CandidateInputs, "shape" | "calibration">,
): Promise<CodedLayers> => {
  const coded = isCalibrated(setting)
    ? await setting.calibrate(await calibration())
    : { layers: setting.layers(shape) };
  for (const [layer, scheme] of coded.layers.entries()) assertHeadFits(scheme, layerShape(shape, layer));
  return coded;
};

/** Codes of errors that say that a setting does not fit a model. All others are faults of the text, the model or its gradients. */
const UNFIT: readonly string[] = ["HEAD_TOO_SMALL", "CALIBRATION_TOO_FEW_BITS", "CALIBRATION_NO_BACKWARD"];

const fitting = async (
  name: string,
  setting: MethodSetting,
  { warn, ...inputs }: CandidateInputs,
): Promise<CodedLayers | undefined> => {
  try {
    return await layersOfSetting(setting, inputs);
  } catch (error) {
    if (!KvtunerError.isInstance(error) || !UNFIT.includes(error.code)) throw error;
    warn(`${name} is left out: ${error.message}`);
    return undefined;
  }
};

/** A plan, and the levels of bits that it stands for. */
export interface Chosen extends Candidate {
  readonly levels: readonly number[];
  /** Record that holds it; undefined for a method's setting. */
  readonly file?: string;
}

/** Each method's settings nearest to each level of true bits; of two equally near ones the smaller. */
export const nearestToLevels = (candidates: readonly Candidate[], levels: readonly number[]): Chosen[] => {
  const methods = [...new Set(candidates.map(({ method }) => method))];
  return methods.flatMap((method) => {
    const own = candidates.filter((one) => one.method === method).toSorted((a, b) => a.bits - b.bits);
    const nearest = levels.map((level) => own.reduce((best, one) => (gap(one, level) < gap(best, level) ? one : best)));
    return own.flatMap((one) => {
      const ofOne = levels.filter((_, index) => nearest[index] === one);
      return ofOne.length === 0 ? [] : [{ ...one, levels: ofOne }];
    });
  });
};

const gap = ({ bits }: Candidate, level: number): number => Math.abs(bits - level);

/**
 * Warns of levels below the smallest plan.
 *
 * @throws OptionError when all levels are below it
 */
export const assertLevelsReached = (
  candidates: readonly Candidate[],
  levels: readonly number[],
  { context, warn }: Pick<CandidateInputs, "context" | "warn">,
): void => {
  const [smallest] = candidates.toSorted((a, b) => a.bits - b.bits);
  if (smallest === undefined)
    throw new OptionError("methods", "at least one that fits the model and the calibration text", "none");
  const named = `${smallest.method}:${smallest.label} takes ${smallest.bits.toFixed(3)} at ${context} tokens`;
  const below = levels.filter((level) => level < smallest.bits);
  if (below.length === levels.length)
    throw new OptionError("bits", `a level that some setting reaches; the smallest, ${named}`, levels.join(", "));
  if (below.length > 0) warn(`no setting takes as few as ${below.join(" or ")} true bits: the smallest, ${named}`);
};
