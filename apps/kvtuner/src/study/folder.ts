import { accessSync, constants, existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { KvtunerError } from "@kvtuner/plan";

import { writeJsonAtomic } from "./atomic-file.ts";
import { openJournal, type Journal } from "./journal.ts";
import { lockStudy } from "./lock.ts";
import { makeFolder } from "./make-folder.ts";
import { reasonOf, systemReason } from "./reason.ts";
import { assertSameSettings, readSettings, type StudySettings } from "./settings.ts";
import { stepSchemas, type StepName } from "./step-schemas.ts";

/** Names of the files of a study (design: one file a step). */
export const STUDY_FILES = {
  settings: "settings.json",
  calibration: "calibration.json",
  profileJournal: "profile.jsonl",
  profile: "profile.json",
  candidates: "candidates.json",
  groups: "groups.json",
  journal: "journal.jsonl",
  front: "front.json",
  plan: "plan.json",
  request: "request.json",
  report: "report.html",
} as const;

/** A locked study folder. */
export interface StudyFolder {
  readonly path: string;
  file(name: keyof typeof STUDY_FILES): string;
  journal<Entry>(name: "profileJournal" | "journal", parse: (value: unknown) => Entry): Journal<Entry>;
  /** The step's file when it is there, else what `make` returns, after writing it. */
  step<Result>(name: StepName, make: () => Promise<Result>): Promise<Result>;
  /** The step's file when it is there. */
  read<Result>(name: StepName): Result | undefined;
  /** Closes the journals and gives the lock back. Safe to call twice. */
  close(): void;
}

/**
 * Opens the study in `path` for one run, creating it when there is none.
 *
 * @throws StudyFolderKvtunerError when it is no folder, cannot be written, or holds files that are not a study's.
 * @throws StudyDiffersKvtunerError when it holds a study with other settings.
 * @throws StudyBusyKvtunerError while another run works there.
 */
export const openStudy = (path: string, settings: StudySettings, warn: (message: string) => void): StudyFolder => {
  prepareFolder(path);
  const lock = lockStudy(path);
  try {
    removeTemporaryFiles(path);
    adoptSettings(path, settings);
  } catch (error) {
    lock.release();
    throw error;
  }
  return studyFolder(path, settings, () => lock.release(), warn);
};

/** Whether some run began a study in `path`. */
export const holdsStudy = (path: string): boolean => existsSync(join(path, STUDY_FILES.settings));

/** Checks `path` before any slow work is done for it. Returns the folders it made, outermost first. */
export const prepareFolder = (path: string): readonly string[] => {
  if (existsSync(path) && !statSync(path).isDirectory()) throw new StudyFolderKvtunerError(path, "it is a file");
  let made: readonly string[];
  try {
    made = makeFolder(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new StudyFolderKvtunerError(path, `it cannot be written: ${systemReason(cause)}`, cause);
  }
  const foreign = holdsStudy(path) ? undefined : readdirSync(path).find((name) => !isLeftover(name));
  if (foreign !== undefined) throw new StudyFolderKvtunerError(path, `it holds ${foreign} and is no study`);
  return made;
};

/** A run killed between taking the lock and writing its settings leaves only these. */
const isLeftover = (name: string): boolean => name === "lock" || isTemporaryFile(name);

/** What can be left half-written: a step's file, or the lock, then the process id. Any other file is not ours. */
const isTemporaryFile = (name: string): boolean => {
  const original = /^(.+)\.\d+\.tmp$/.exec(name)?.[1];
  return original !== undefined && WRITTEN_ASIDE.includes(original);
};

const WRITTEN_ASIDE: readonly string[] = [...Object.values(STUDY_FILES), "lock", "lock.stale"];

const removeTemporaryFiles = (path: string): void => {
  for (const name of readdirSync(path)) if (isTemporaryFile(name)) rmSync(join(path, name), { force: true });
};

const adoptSettings = (path: string, settings: StudySettings): void => {
  const file = join(path, STUDY_FILES.settings);
  const existing = readSettings(file);
  if (existing === undefined) return writeJsonAtomic(file, settings);
  // Where to look for plans matters to a search that goes on; of one that is done any plan may be picked.
  const isSearched = existsSync(join(path, STUDY_FILES.front));
  assertSameSettings(path, existing, isSearched ? { ...settings, focus: existing.focus } : settings);
};

const studyFolder = (
  path: string,
  settings: StudySettings,
  release: () => void,
  warn: (message: string) => void,
): StudyFolder => {
  const journals: { close(): void }[] = [];
  const file = (name: keyof typeof STUDY_FILES): string => join(path, STUDY_FILES[name]);
  return {
    path,
    file,
    journal: (name, parse) => {
      const journal = openJournal({ path: file(name), parse, warn });
      journals.push(journal);
      return journal;
    },
    read: (name) => readStepFile(path, name, settings),
    step: async <Result>(name: StepName, make: () => Promise<Result>) => {
      const known = readStepFile<Result>(path, name, settings);
      if (known !== undefined) return known;
      const result = await make();
      writeJsonAtomic(file(name), result);
      return result;
    },
    close: () => {
      for (const journal of journals.splice(0)) journal.close();
      release();
    },
  };
};

/**
 * A step's file in the study in `folder`; undefined when it is not there.
 *
 * @throws StudyFileKvtunerError when it is not what the step writes.
 */
export const readStepFile = <Result>(folder: string, name: StepName, settings: StudySettings): Result | undefined => {
  const path = join(folder, STUDY_FILES[name]);
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    stepSchemas(settings)[name].parse(value);
    return value as Result;
  } catch (cause) {
    throw new StudyFileKvtunerError(path, name, cause);
  }
};

/** The folder cannot hold this study. */
export class StudyFolderKvtunerError extends KvtunerError {
  constructor(path: string, reason: string, cause?: unknown) {
    super(
      "STUDY_FOLDER",
      `expected a new or empty folder, or a study, at ${JSON.stringify(path)}, but ${reason}; give --out another folder`,
      {
        cause,
      },
    );
    this.name = "StudyFolderKvtunerError";
  }
}

/** A step's file is not what the step writes. */
export class StudyFileKvtunerError extends KvtunerError {
  constructor(path: string, name: StepName, cause: unknown) {
    super(
      "STUDY_FILE_UNREADABLE",
      `expected the ${name} of this study in ${path}, but ${reasonOf(cause)}; remove the file, and the step is done again`,
      { cause },
    );
    this.name = "StudyFileKvtunerError";
  }
}
