import { KvtunerError, MODES, parsePair, type Mode } from "@kvtuner/plan";
import { z } from "zod";

import { searchSpace, type SearchSpace } from "../space/space.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { STUDY_FILES } from "./study.ts";
import { reasonOf } from "../storage/reason.ts";
import { readSettings, StudySettingsKvtunerError, type StudySettings } from "./settings.ts";

/**
 * The settings of a study, whole: a report shows all of them, and counts bytes by them.
 *
 * @throws StudyMissingKvtunerError when the folder holds no study.
 * @throws StudySettingsKvtunerError when they cannot be read.
 */
export const readReportSettings = async (storage: StudyStorage): Promise<StudySettings> => {
  const settings = await readSettings(storage);
  if (settings === undefined) throw new StudyMissingKvtunerError(storage.location);
  try {
    schema.parse(settings);
    settings.pairs.map((name) => parsePair(name));
    return settings;
  } catch (cause) {
    throw new StudySettingsKvtunerError(storage.locationOf(STUDY_FILES.settings), reasonOf(cause), cause);
  }
};

const count = z.int().min(1);

const schema = z.object({
  model: z.object({ name: z.string(), architecture: z.string(), sha256: z.string().optional() }),
  shape: z.object({ layers: count, queryHeads: count, kvHeads: count, headSize: count }),
  mode: z.enum(MODES as [Mode, ...Mode[]]),
  pairs: z.array(z.string()).min(1),
  sinks: z.int().min(0),
  recent: z.int().min(0),
  text: z.string(),
  evaluations: z.int(),
  seed: z.int(),
  strategy: z.string(),
  measure: z.string(),
  cost: z.enum(["true", "equivalent"]),
  objective: z.enum(["kl", "task", "both"]).optional(),
  task: z
    .object({
      prompts: count,
      shots: z.int().min(0),
      shotsFrom: z.string(),
      chat: z.boolean(),
      maxTokens: count,
      likelihood: z.enum(["sum", "per-token"]),
    })
    .optional(),
});

/** The space a study searches, priced at `context` tokens. */
export const spaceOf = (settings: StudySettings, context: number): SearchSpace =>
  searchSpace(settings.shape, {
    mode: settings.mode as Mode,
    pairs: settings.pairs.map((name) => parsePair(name)),
    context,
    costKind: settings.cost === "equivalent" ? "equivalent" : "true",
    sinks: settings.sinks,
    recent: settings.recent,
  });

/** A folder without a study. */
export class StudyMissingKvtunerError extends KvtunerError {
  constructor(folder: string) {
    super(
      "STUDY_MISSING",
      `expected a study folder, with ${STUDY_FILES.settings} in it, at ${folder}, got none; pass the folder that tune wrote (its --out)`,
    );
    this.name = "StudyMissingKvtunerError";
  }
}
