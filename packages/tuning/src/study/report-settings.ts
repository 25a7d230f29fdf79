import { KvtunerError } from "@kvtuner/plan";
import { z } from "zod";
import { fillOptions, flagName } from "../option-table.ts";
import { reasonOf } from "../storage/reason.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { TASK_OPTIONS } from "../tasks/task-options.ts";
import { STUDY_OPTIONS } from "./options.ts";
import { readSettings, StudySettingsError, type StudySettings } from "./settings.ts";
import { STUDY_FILES } from "./study.ts";

/**
 * The settings of a study with all members checked: a report shows all of them and counts bytes by them.
 *
 * @throws StudyMissingError when the folder holds no study.
 * @throws StudySettingsError when they cannot be read.
 */
export const readReportSettings = async (storage: StudyStorage): Promise<StudySettings> => {
  const settings = await readSettings(storage);
  if (settings === undefined) throw new StudyMissingError(storage.location);
  try {
    schema.parse(settings);
    assertChoices(settings);
    return settings;
  } catch (cause) {
    throw new StudySettingsError(storage.locationOf(STUDY_FILES.settings), reasonOf(cause), cause);
  }
};

const count = z.int().min(1);

const schema = z.object({
  model: z.object({ name: z.string(), architecture: z.string(), sha256: z.string().optional() }),
  shape: z.object({ layers: count, queryHeads: count, kvHeads: count, headSize: count }),
  text: z.string(),
  task: z.object({ task: z.string(), prompts: count, shots: z.int().min(0), shotsFrom: z.string() }).optional(),
});

/** Settings that not every study has. */
const ABSENT: readonly string[] = ["objective", "codecs", "for"] satisfies readonly (keyof StudySettings)[];

/** Checks the settings as the options that set them. */
const assertChoices = (settings: StudySettings): void => {
  for (const [name, option] of Object.entries(STUDY_OPTIONS)) {
    const value = settings[name as keyof StudySettings];
    if (value !== undefined || !ABSENT.includes(name)) option.check(flagName(name), value as never);
  }
  if (settings.task) fillOptions(TASK_OPTIONS, settings.task);
};

/** The folder holds no study. */
export class StudyMissingError extends KvtunerError {
  constructor(folder: string) {
    super(
      "STUDY_MISSING",
      `expected a study folder, with ${STUDY_FILES.settings} in it, at ${folder}, got none; pass the folder that tune wrote (its --out)`,
    );
    this.name = "StudyMissingError";
  }
}
