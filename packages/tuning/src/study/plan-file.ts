import type { Plan } from "@kvtuner/plan";
import { parsePlan, serializeAssets, serializePlan } from "@kvtuner/plan/files";
import type { TuningSamples } from "../calibration/samples.ts";
import type { EvaluationEntry, TaskFigures } from "../pipeline/evaluation-entry.ts";
import type { FrontPlan } from "../pipeline/pick.ts";
import { PlanUnreadableError } from "../plan-file-error.ts";
import { sha256 } from "../sha256.ts";
import { planLayers, planOfIds, type SearchSpace } from "../space/space.ts";
import { usedAssets } from "../space/used-assets.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { taskName, type OpenTask } from "../tasks/open-task.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { StudyOptions } from "./options.ts";
import { STUDY_FILES } from "./study.ts";

/** The study that a plan was picked in. */
interface PickedIn {
  readonly model: Pick<TunableModel, "identity" | "shape">;
  readonly study: StudyOptions;
  readonly space: SearchSpace;
  /** Samples of the calibration text; undefined for the model's own. */
  readonly textSamples: TuningSamples | undefined;
  readonly task: OpenTask | undefined;
}

/** The picked plan with what was measured. */
export const pickedPlan = (
  { model, study, space, textSamples, task }: PickedIn,
  picked: FrontPlan,
  entries: readonly EvaluationEntry[],
): Plan => {
  const entry = entries.find((candidate) => candidate.choices.join() === picked.choices.join());
  const layers = planLayers(space, planOfIds(space, picked.choices));
  const assets = usedAssets(layers, space.assets ?? []);
  return {
    version: 2,
    model: model.identity,
    shape: model.shape,
    layers,
    ...(assets.length > 0 && { assets }),
    measured: {
      kl: picked.kl,
      klStandardError: picked.klStandardError,
      ...(entry?.top1 !== undefined && { top1: entry.top1 }),
      ...(entry?.perplexity !== undefined && { perplexity: entry.perplexity }),
      contextLength: study.context,
      text: task && picked.task ? taskText(taskName(task), picked.task) : samplesText(study, textSamples !== undefined),
    },
  };
};

/** Names of the records of a plan and of its assets. */
export interface PlanRecords {
  readonly plan: string;
  readonly assets: string;
}

const STUDY_PLAN: PlanRecords = { plan: STUDY_FILES.plan, assets: STUDY_FILES.planAssets };

/** Writes a plan's record, `plan.json` by default, and before it that of its assets where it has any. */
export const writePlan = async (
  storage: StudyStorage,
  plan: Plan,
  records: PlanRecords = STUDY_PLAN,
): Promise<void> => {
  const { assets = [] } = plan;
  if (assets.length === 0) {
    await storage.write(records.plan, serializePlan(plan));
    // Of a plan that was picked before.
    return storage.remove(records.assets);
  }
  const bytes = serializeAssets(assets);
  await storage.write(records.assets, bytes);
  const reference = { file: records.assets, sha256: await sha256(bytes) };
  await storage.write(records.plan, serializePlan(plan, reference));
};

/**
 * The plan of a study, with its assets; undefined when none was picked yet.
 *
 * @throws PlanUnreadableError naming the file
 */
export const readPlan = async (storage: StudyStorage, records: PlanRecords = STUDY_PLAN): Promise<Plan | undefined> => {
  try {
    const text = await storage.read(records.plan);
    if (text === undefined) return undefined;
    const bytes = await storage.readBytes(records.assets);
    const assets = bytes && { bytes, sha256: await sha256(bytes) };
    return parsePlan(text, (file) => (file === records.assets ? assets : undefined));
  } catch (cause) {
    throw new PlanUnreadableError(storage.locationOf(records.plan), cause);
  }
};

const samplesText = ({ samples, sampleLength }: StudyOptions, isGiven: boolean): string =>
  `${samples} ${samples === 1 ? "sample" : "samples"} of ${sampleLength} tokens of ${isGiven ? "the calibration text" : "the model's own text"}`;

const taskText = (name: string, { prompts, accuracy, accuracyStandardError, floatAccuracy }: TaskFigures): string =>
  `answers to ${prompts} prompts of ${name}: accuracy ${accuracy.toFixed(4)} +- ${accuracyStandardError.toFixed(4)}, float cache ${floatAccuracy.toFixed(4)}`;
