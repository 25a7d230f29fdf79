import { z } from "zod";
import { limitSchema } from "../limits/limits.ts";
import { readRecord, writeRecord, type Stored, type StudyStorage } from "../storage/storage.ts";
import { STUDY_FILES } from "./study.ts";

const schema = z.object({
  version: z.literal(1),
  /** As the user named it; absent if the caller opened the model. */
  model: z.string().exactOptional(),
  /** Path of the calibration text; absent for the model's own text. */
  text: z.string().exactOptional(),
  /** Paths of the tasks; absent without one. */
  task: z.array(z.string()).exactOptional(),
  /** Maximum number of prompts per file, if given. */
  prompts: z.int().exactOptional(),
  /** Path of the file that examples come from. */
  shotsFrom: z.string().exactOptional(),
  out: z.string(),
  /** What the picked plan keeps to. */
  limit: limitSchema,
});

/** `request.json`: options of the last run that shape no figure, so that a report can print the command. */
export type StudyRequest = Stored<typeof schema>;

/** Writes `request.json` into a study. */
export const writeRequest = (storage: StudyStorage, request: StudyRequest): Promise<void> =>
  writeRecord(storage, STUDY_FILES.request, request);

/** The request of a study; undefined if it has none or cannot be read, since reports can do without. */
export const readRequest = async (storage: StudyStorage): Promise<StudyRequest | undefined> => {
  try {
    const value = await readRecord(storage, STUDY_FILES.request);
    return value === undefined ? undefined : schema.parse(value);
  } catch {
    return undefined;
  }
};
