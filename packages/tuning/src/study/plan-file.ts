import type { Plan } from "@kvtuner/plan";
import { serializePlan } from "@kvtuner/plan/files";
import type { EvaluationEntry, TaskFigures } from "../pipeline/evaluation-entry.ts";
import type { FrontPlan } from "../pipeline/pick.ts";
import { planLayers, planOfIds, type SearchSpace } from "../space/space.ts";
import { taskName, type OpenTask } from "../tasks/open-task.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { StudyOptions } from "./options.ts";

/** What a plan was picked in. */
interface PickedIn {
  readonly model: Pick<TunableModel, "identity" | "shape">;
  readonly study: StudyOptions;
  readonly space: SearchSpace;
  /** Samples of the calibration text; undefined for the model's own. */
  readonly textSamples: readonly Int32Array[] | undefined;
  readonly task: OpenTask | undefined;
}

/** Text of `plan.json`: the picked plan with what was measured. */
export const planFile = (
  { model, study, space, textSamples, task }: PickedIn,
  picked: FrontPlan,
  entries: readonly EvaluationEntry[],
): string => {
  const entry = entries.find((candidate) => candidate.choices.join() === picked.choices.join());
  const plan: Plan = {
    version: 2,
    model: model.identity,
    shape: model.shape,
    layers: planLayers(space, planOfIds(space, picked.choices)),
    measured: {
      kl: picked.kl,
      klStandardError: picked.klStandardError,
      ...(entry?.top1 !== undefined && { top1: entry.top1 }),
      ...(entry?.perplexity !== undefined && { perplexity: entry.perplexity }),
      contextLength: study.context,
      text: task && picked.task ? taskText(taskName(task), picked.task) : samplesText(study, textSamples !== undefined),
    },
  };
  return serializePlan(plan);
};

const samplesText = ({ samples, sampleLength }: StudyOptions, isGiven: boolean): string =>
  `${samples} ${samples === 1 ? "sample" : "samples"} of ${sampleLength} tokens of ${isGiven ? "the calibration text" : "the model's own text"}`;

const taskText = (name: string, { prompts, accuracy, accuracyStandardError, floatAccuracy }: TaskFigures): string =>
  `answers to ${prompts} prompts of ${name}: accuracy ${accuracy.toFixed(4)} +- ${accuracyStandardError.toFixed(4)}, float cache ${floatAccuracy.toFixed(4)}`;
