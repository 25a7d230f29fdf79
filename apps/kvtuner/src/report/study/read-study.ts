import { existsSync } from "node:fs";
import { join } from "node:path";

import { assertPlanFits, type Plan } from "@kvtuner/plan";
import type { Profile } from "@kvtuner/sensitivity";

import { readPlanFile } from "../../model/read-plan.ts";
import { evaluationEntryParser, type EvaluationEntry } from "../../pipeline/evaluation-entry.ts";
import type { Groups } from "../../pipeline/group.ts";
import type { Front } from "../../pipeline/pick.ts";
import type { Candidates } from "../../pipeline/prune.ts";
import { figuresInJournal, taskEntryParser } from "../../pipeline/task-entry.ts";
import { readStepFile, STUDY_FILES } from "../../study/folder.ts";
import { readJournal } from "../../study/journal.ts";
import type { StudySettings } from "../../study/settings.ts";
import { readReportSettings, spaceOf } from "./report-settings.ts";
import { readRequest, type StudyRequest } from "./request.ts";

/** What a study folder holds; a step that was not reached is undefined. */
export interface StudyContents {
  readonly settings: StudySettings;
  readonly request: StudyRequest | undefined;
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
export const readStudy = (folder: string): StudyContents => {
  const settings = readReportSettings(folder);
  return {
    settings,
    request: readRequest(folder),
    profile: readStepFile(folder, "profile", settings),
    candidates: readStepFile(folder, "candidates", settings),
    groups: readStepFile(folder, "groups", settings),
    front: readStepFile(folder, "front", settings),
    entries: readEntries(folder, settings),
    plan: readPlan(folder, settings),
  };
};

const readEntries = (folder: string, settings: StudySettings): EvaluationEntry[] => {
  const path = join(folder, STUDY_FILES.journal);
  const space = spaceOf(settings, settings.context);
  if (settings.task === undefined) return readJournal(path, evaluationEntryParser(space));
  return figuresInJournal(readJournal(path, taskEntryParser(space)), settings.task.prompts);
};

const readPlan = (folder: string, { model, shape }: StudySettings): Plan | undefined => {
  const path = join(folder, STUDY_FILES.plan);
  if (!existsSync(path)) return undefined;
  const plan = readPlanFile(path);
  assertPlanFits(plan, model, shape);
  return plan;
};
