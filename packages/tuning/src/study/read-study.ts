import type { Plan } from "@kvtuner/plan";
import { assertPlanForModel } from "@kvtuner/plan/files";
import type { Profile } from "@kvtuner/sensitivity";
import type { z } from "zod";
import { evaluationEntrySchema, type EvaluationEntry } from "../pipeline/evaluation-entry.ts";
import type { Groups } from "../pipeline/group.ts";
import type { Front } from "../pipeline/pick.ts";
import type { Candidates } from "../pipeline/prune.ts";
import { figuresInJournal, taskEntrySchema } from "../pipeline/task-entry.ts";
import type { Coding } from "../space/mixed-space.ts";
import { readJournal } from "../storage/journal.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { readCodings } from "./codings.ts";
import { readPlan } from "./plan-file.ts";
import { readReportSettings } from "./report-settings.ts";
import { readRequest, type StudyRequest } from "./request.ts";
import { spaceOf, type StudySettings } from "./settings.ts";
import { readStep, STUDY_FILES } from "./study.ts";

/** What a study folder holds; a step that was not reached is undefined. */
export interface StudyContents {
  readonly settings: StudySettings;
  /** Settings of methods that are searched. */
  readonly codings: readonly Coding[];
  readonly request: StudyRequest | undefined;
  /** What fitting tables took, in forward passes over the samples that they are fitted to. */
  readonly fitting: number | undefined;
  readonly profile: Profile | undefined;
  readonly candidates: Candidates | undefined;
  readonly groups: Groups | undefined;
  readonly front: Front | undefined;
  /** Everything evaluated, in order. */
  readonly entries: readonly EvaluationEntry[];
  /** The picked plan. */
  readonly plan: Plan | undefined;
}

/**
 * Reads a study without touching it, also while a run is at work in it.
 *
 * @throws KvtunerError when there is no study, or a file of it is not what its step writes.
 */
export const readStudy = async (storage: StudyStorage): Promise<StudyContents> => {
  const settings = await readReportSettings(storage);
  const codings = await readCodings(storage, settings);
  return {
    settings,
    codings,
    request: await readRequest(storage),
    fitting: (await readStep(storage, "fitting", settings, codings))?.passes,
    profile: await readStep(storage, "profile", settings, codings),
    candidates: await readStep(storage, "candidates", settings, codings),
    groups: await readStep(storage, "groups", settings, codings),
    front: await readStep(storage, "front", settings, codings),
    entries: await readEntries(storage, settings, codings),
    plan: await readFittingPlan(storage, settings),
  };
};

const readEntries = async (
  storage: StudyStorage,
  settings: StudySettings,
  codings: readonly Coding[],
): Promise<EvaluationEntry[]> => {
  const space = spaceOf(settings, settings.context, codings);
  const read = <Entry extends object>(schema: z.ZodType<Entry>): Promise<Entry[]> =>
    readJournal({ storage, name: STUDY_FILES.journal, parse: (value) => schema.parse(value) });
  if (settings.task === undefined) return read(evaluationEntrySchema(space));
  return figuresInJournal(await read(taskEntrySchema(space)), settings.task.prompts);
};

const readFittingPlan = async (storage: StudyStorage, { model, shape }: StudySettings): Promise<Plan | undefined> => {
  const plan = await readPlan(storage);
  if (plan !== undefined) assertPlanForModel(plan, model, shape);
  return plan;
};
