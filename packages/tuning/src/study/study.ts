import { KvtunerError } from "@kvtuner/plan";
import type { z } from "zod";
import type { Coding } from "../space/mixed-space.ts";
import { openJournal, type Journal } from "../storage/journal.ts";
import { isDamage, reasonOf } from "../storage/reason.ts";
import { readRecord, writeRecord, type StudyStorage } from "../storage/storage.ts";
import { assertSameSettings, differingSettings, readSettings, type StudySettings } from "./settings.ts";
import { stepSchemas, type StepName, type StepRecords } from "./step-schemas.ts";

/** Names of a study's records. */
export const STUDY_FILES = {
  settings: "settings.json",
  calibration: "calibration.json",
  profileJournal: "profile.jsonl",
  profile: "profile.json",
  codecs: "codecs.json",
  fitting: "fitting.json",
  candidates: "candidates.json",
  groups: "groups.json",
  journal: "journal.jsonl",
  front: "front.json",
  plan: "plan.json",
  planAssets: "plan.safetensors",
  request: "request.json",
  report: "report.html",
} as const;

/** A study, locked by this run. */
export interface Study {
  readonly storage: StudyStorage;
  /** Opens a journal of the study. */
  journal<Entry extends object>(name: "profileJournal" | "journal", schema: z.ZodType<Entry>): Promise<Journal<Entry>>;
  /** The step's record, or the result of `make`, which is then written. */
  step<Name extends StepName>(name: Name, make: () => Promise<StepRecords[Name]>): Promise<StepRecords[Name]>;
  /** The step's record; undefined if it is missing or, with a warning, damaged. */
  read<Name extends StepName>(name: Name): Promise<StepRecords[Name] | undefined>;
  /** Replaces the step's record. */
  write<Name extends StepName>(name: Name, value: StepRecords[Name]): Promise<void>;
  /** The study with these settings of methods in its space. */
  withCodings(codings: readonly Coding[]): Study;
  /** Releases the lock. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens the study in a storage for one run, creating it when there is none.
 *
 * @throws StudyDiffersError when it holds a study with other settings.
 * @throws KvtunerError the storage's error while another run holds the study, such as a lock that is taken.
 */
export const openStudy = async (
  storage: StudyStorage,
  settings: StudySettings,
  warn: (message: string) => void,
): Promise<Study> => {
  const lock = await storage.lock();
  try {
    await adoptSettings(storage, settings);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return study({ storage, settings, codings: [], release: () => lock.release(), warn });
};

const adoptSettings = async (storage: StudyStorage, settings: StudySettings): Promise<void> => {
  const existing = await readSettings(storage);
  if (existing === undefined) return writeRecord(storage, STUDY_FILES.settings, settings);
  // The focus shapes a search in progress. Before the search it may change; after it, any plan may be picked.
  const names = await storage.list();
  const withTheirFocus = { ...settings, focus: existing.focus };
  if (names.includes(STUDY_FILES.front)) return assertSameSettings(storage.location, existing, withTheirFocus);
  const isBefore = !names.includes(STUDY_FILES.journal) && differingSettings(existing, withTheirFocus).length === 0;
  if (isBefore) return writeRecord(storage, STUDY_FILES.settings, settings);
  assertSameSettings(storage.location, existing, settings);
};

interface StudyParts {
  readonly storage: StudyStorage;
  readonly settings: StudySettings;
  readonly codings: readonly Coding[];
  readonly release: () => Promise<void>;
  readonly warn: (message: string) => void;
}

const study = (parts: StudyParts): Study => {
  const { storage, settings, codings, release, warn } = parts;
  const read = async <Name extends StepName>(name: Name): Promise<StepRecords[Name] | undefined> => {
    try {
      return await readStep(storage, name, settings, codings);
    } catch (error) {
      if (!(error instanceof StudyFileError) || !error.isDamage) throw error;
      warn(`${STUDY_FILES[name]} is damaged: ${reasonOf(error.cause)}; its step is done again`);
      return undefined;
    }
  };
  const write = (name: StepName, value: object): Promise<void> => writeRecord(storage, STUDY_FILES[name], value);
  return {
    storage,
    journal: (name, schema) =>
      openJournal({ storage, name: STUDY_FILES[name], parse: (value) => schema.parse(value), warn }),
    read,
    write,
    step: async (name, make) => {
      const known = await read(name);
      if (known !== undefined) return known;
      const result = await make();
      await write(name, result);
      return result;
    },
    withCodings: (own) => study({ ...parts, codings: own }),
    close: release,
  };
};

/**
 * A step's record; undefined when there is none.
 *
 * @throws StudyFileError when it is not what the step writes.
 */
export const readStep = async <Name extends StepName>(
  storage: StudyStorage,
  name: Name,
  settings: StudySettings,
  codings: readonly Coding[] = [],
): Promise<StepRecords[Name] | undefined> => {
  try {
    const value = await readRecord(storage, STUDY_FILES[name]);
    const schemas: { readonly [Step in StepName]: z.ZodType<StepRecords[Step]> } = stepSchemas(settings, codings);
    return value === undefined ? undefined : schemas[name].parse(value);
  } catch (cause) {
    throw new StudyFileError(storage.locationOf(STUDY_FILES[name]), name, cause);
  }
};

/** The record of a step is invalid. */
export class StudyFileError extends KvtunerError {
  /** Whether the record was read but is invalid; repeating its step then restores it. */
  readonly isDamage: boolean;

  constructor(location: string, name: StepName, cause: unknown) {
    super(
      "STUDY_FILE_UNREADABLE",
      `expected the ${name} of this study in ${location}, but ${reasonOf(cause)}; run tune again with the settings of the study, and the step is done again`,
      { cause },
    );
    this.isDamage = isDamage(cause);
    this.name = "StudyFileError";
  }
}
