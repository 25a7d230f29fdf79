import type { Measure } from "@kvtuner/sensitivity";
import { OptionError } from "../option-values.ts";
import { gradientPasses, measurePasses } from "../pipeline/forward-passes.ts";
import type { SearchSpace } from "../space/space.ts";
import type { TunableModel } from "../tunable-model.ts";

/** How the layers of a study are profiled. */
export interface ChosenMeasure {
  readonly measure: Measure;
  /** Whether layers are measured where gradients turn out to be unknown; an error otherwise. */
  readonly fallsBack: boolean;
  /** Why the default does not apply, for the user. */
  readonly note?: string;
}

/** What {@link chooseMeasure} decides by. */
export interface MeasureInputs {
  readonly model: Pick<TunableModel, "gradients">;
  /** Undefined for settings of methods: too many to measure each. */
  readonly space: SearchSpace | undefined;
  /** Tokens of a sample. */
  readonly tokens: number;
  /** What the user names. */
  readonly given: Measure | undefined;
  /** Of the study to resume; undefined for a new one. */
  readonly stored: Measure | undefined;
}

const WITHOUT_GRADIENTS = "an ONNX model, whose gradients are not known";

const FELL_BACK = `measuring every layer, as --measure kl does: this is ${WITHOUT_GRADIENTS}`;

/**
 * The measure that the user names or, without one, that of the study to resume. A new study estimates by gradients, unless the model
 * has none or measuring every choice takes no more forward passes than estimates and their check.
 *
 * @throws OptionError for gradients of a model that has none
 */
export const chooseMeasure = ({ model, space, tokens, given, stored }: MeasureInputs): ChosenMeasure => {
  const named = given ?? stored;
  if (named === "gradient" && model.gradients === undefined)
    throw new OptionError("measure", `kl or eo for ${WITHOUT_GRADIENTS}`, "gradient; use --measure kl");
  if (named !== undefined) return { measure: named, fallsBack: given === undefined };
  if (space && measurePasses(space) <= gradientPasses(space, tokens)) return { measure: "kl", fallsBack: true };
  if (model.gradients !== undefined) return { measure: "gradient", fallsBack: true };
  return { measure: "kl", fallsBack: true, note: FELL_BACK };
};
