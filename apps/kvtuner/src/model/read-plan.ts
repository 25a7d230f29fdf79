import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { assertHeadFits, KvtunerError, layerShapes, parseShorthand, uniformPlan, type Plan } from "@kvtuner/plan";
import { type AssetFile, assertPlanForModel, importPresetYaml, parsePlan, PresetError } from "@kvtuner/plan/files";
import { importPlan, isSetting, PlanUnreadableError, type TunableModel } from "@kvtuner/tuning";

/** Which plans are accepted. */
export interface PlanTolerance {
  /** Accepts, with a warning, a plan for other weights of the same architecture and shape, like another quantization. */
  readonly anyWeights: boolean;
  readonly warn: (message: string) => void;
}

/**
 * A plan for a model: as given, from JSON text, from a file, from a preset of the paper (`NAME-kivi.yaml`), from another runtime's
 * flags or file (`-ctk q8_0 -ctv q4_0`), or from shorthand like `kivi:K4V2+sinks4`.
 *
 * @throws KvtunerError when it is none of these, or a plan for another model
 */
export const readPlan = (
  given: Plan | string,
  { identity, shape }: Pick<TunableModel, "identity" | "shape">,
  tolerance?: PlanTolerance,
): Plan => {
  const plan = typeof given === "string" ? fromText(given.trim(), { identity, shape }) : given;
  const { name, architecture, sha256 } = identity;
  assertPlanForModel(plan, { name, architecture }, shape);
  if (plan.model.sha256 === undefined || sha256 === undefined || plan.model.sha256 === sha256) return plan;
  if (tolerance?.anyWeights !== true) throw new PlanWeightsError(plan.model.name, name);
  tolerance.warn(
    `the plan was tuned for other weights (${plan.model.name}); the loss it states was not measured on ${name}`,
  );
  return plan;
};

/**
 * A plan for a model of the same shape, such as its GGUF file, as a plan for this one.
 *
 * @throws KvtunerError as {@link readPlan}, for another shape
 */
export const adoptPlan = (
  given: Plan | string,
  { identity, shape }: Pick<TunableModel, "identity" | "shape">,
): Plan => {
  const plan = typeof given === "string" ? fromText(given.trim(), { identity, shape }) : given;
  // Formats name architectures in their own way: Mistral is `llama` in GGUF files.
  assertPlanForModel({ ...plan, model: { ...identity, name: plan.model.name } }, identity, shape);
  return { ...plan, model: identity };
};

const fromText = (text: string, { identity, shape }: Pick<TunableModel, "identity" | "shape">): Plan => {
  if (isSetting(text)) return importPlan(text, { model: identity, shape });
  if (text.startsWith("{")) return parsePlan(text);
  if (/\.ya?ml$/i.test(text)) return readPreset(text, { identity, shape });
  if (looksLikePath(text)) return fromFile(text, { identity, shape });
  const { layer } = parseShorthand(text);
  for (const own of layerShapes(shape)) assertHeadFits(layer, own);
  return uniformPlan(identity, shape, layer);
};

/** Reads a plan file, or a file with another runtime's setting. */
const fromFile = (path: string, { identity, shape }: Pick<TunableModel, "identity" | "shape">): Plan => {
  try {
    const text = readFileSync(path, "utf8");
    return isSetting(text) ? importPlan(text, { model: identity, shape }) : readPlanFile(path);
  } catch (cause) {
    throw cause instanceof PlanUnreadableError ? cause : new PlanUnreadableError(path, cause);
  }
};

/** Reads one of the paper's presets. Its mode is part of its name. */
const readPreset = (path: string, { identity, shape }: Pick<TunableModel, "identity" | "shape">): Plan => {
  const { layers: _, ...sizes } = shape;
  const name = basename(path);
  const mode = PRESET_MODES.find(({ pattern }) => pattern.test(name))?.mode;
  if (mode === undefined)
    throw new PresetError(`expected kivi or pertoken in the name of a preset, got ${name}; rename it`);
  try {
    return importPresetYaml(readFileSync(path, "utf8"), { model: identity, shape: sizes, mode });
  } catch (cause) {
    throw cause instanceof PresetError ? cause : new PlanUnreadableError(path, cause);
  }
};

const PRESET_MODES = [
  { mode: "kivi", pattern: /kivi/i },
  { mode: "per-token", pattern: /per[-_]?token/i },
] as const;

/** Shorthand like `kivi:K4V2` is also accepted where a file of another name exists in the folder. */
const looksLikePath = (text: string): boolean => /[/\\]|\.json$/i.test(text) || existsSync(text);

/**
 * Reads a plan file and the asset file that it names.
 *
 * @throws PlanUnreadableError naming the file, when it cannot be read or holds no plan
 */
export const readPlanFile = (path: string): Plan => {
  try {
    return parsePlan(readFileSync(path, "utf8"), (file) => openAssets(join(dirname(path), file)));
  } catch (cause) {
    throw new PlanUnreadableError(path, cause);
  }
};

const openAssets = (path: string): AssetFile | undefined => {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
};

/** A plan for other weights of the same architecture and shape. */
export class PlanWeightsError extends KvtunerError {
  constructor(planned: string, here: string) {
    super(
      "PLAN_FOR_ANOTHER_MODEL",
      `expected a plan tuned for this file of ${here}, got one for other weights of the same shape (${planned}); ` +
        "tune this model, or use the plan anyway with --any-weights",
    );
    this.name = "PlanWeightsError";
  }
}
