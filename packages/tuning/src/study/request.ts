import { z } from "zod";
import { limitSchema, type Limit } from "../limits/limits.ts";
import { readRecord, writeRecord, type StudyStorage } from "../storage/storage.ts";
import { STUDY_FILES } from "./study.ts";

/** `request.json`: what the last run was asked for that shapes no figure, so that a report can say how to run it again. */
export interface StudyRequest {
  readonly version: 1;
  /** As it was named; absent for a model that was opened by the caller. */
  readonly model?: string;
  /** Path of the calibration text; absent for the model's own. */
  readonly text?: string;
  /** Paths of the tasks; absent without one. */
  readonly task?: readonly string[];
  /** The most prompts asked of each, where that was given. */
  readonly prompts?: number;
  /** Path of the file that examples come from. */
  readonly shotsFrom?: string;
  readonly out: string;
  /** What the picked plan keeps to. */
  readonly limit: Limit;
}

/** Writes `request.json` into a study. */
export const writeRequest = (storage: StudyStorage, request: StudyRequest): Promise<void> =>
  writeRecord(storage, STUDY_FILES.request, request);

/** The request of a study; undefined when it has none, as older ones do, or one that cannot be read: it is only told. */
export const readRequest = async (storage: StudyStorage): Promise<StudyRequest | undefined> => {
  try {
    const value = await readRecord(storage, STUDY_FILES.request);
    if (value !== undefined) schema.parse(value);
    return value as StudyRequest | undefined;
  } catch {
    return undefined;
  }
};

const schema = z.object({
  version: z.literal(1),
  model: z.string().optional(),
  text: z.string().optional(),
  task: z.array(z.string()).optional(),
  prompts: z.int().optional(),
  shotsFrom: z.string().optional(),
  out: z.string(),
  limit: limitSchema,
});
