import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { KvtunerError } from "@kvtuner/plan";
import {
  COMPARISON_FILES,
  isKeptGradients,
  isComparedPlan,
  STUDY_FILES,
  systemReason,
  type StudyStorage,
} from "@kvtuner/tuning";
import { writeFileAtomic } from "./atomic-file.ts";
import { lockStudy } from "./lock.ts";
import { makeFolder } from "./make-folder.ts";
import { writing } from "./writing.ts";

/**
 * A study in a folder: one file per record, written atomically and flushed to disk. Locking makes the folder, and removes
 * half-written files of a killed run.
 */
export const folderStorage = (path: string): StudyStorage => ({
  location: path,
  locationOf: (name) => join(path, name),
  list: async () => (existsSync(path) ? readdirSync(path) : []),
  read: async (name) => readIfThere(join(path, name))?.toString("utf8"),
  readBytes: async (name) => readIfThere(join(path, name)),
  write: async (name, contents) => writeFileAtomic(join(path, name), contents),
  append: async (name, text) => appendFlushed(join(path, name), text),
  remove: async (name) => rmSync(join(path, name), { force: true }),
  lock: async () => {
    prepareFolder(path);
    const lock = lockStudy(path);
    removeTemporaryFiles(path);
    return { release: async () => lock.release() };
  },
});

const readIfThere = (file: string): Buffer<ArrayBuffer> | undefined =>
  existsSync(file) ? readFileSync(file) : undefined;

const appendFlushed = (path: string, text: string): void =>
  writing(path, () => {
    const file = openSync(path, "a");
    try {
      // Not `writeSync`: on a nearly full disk it writes only a part, without an error.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  });

/** Whether `path` holds a study, even an unfinished one. */
const holdsStudy = (path: string): boolean => existsSync(join(path, STUDY_FILES.settings));

/**
 * Checks `path` before any slow work. Returns the folders it made, outermost first.
 *
 * @throws StudyFolderError when it is not a folder, cannot be written, or holds files that are not a study's
 */
export const prepareFolder = (path: string): readonly string[] => {
  if (existsSync(path) && !statSync(path).isDirectory()) throw new StudyFolderError(path, "it is a file");
  let made: readonly string[];
  try {
    made = makeFolder(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new StudyFolderError(path, `it cannot be written: ${systemReason(cause)}`, cause);
  }
  const foreign = holdsStudy(path) ? undefined : readdirSync(path).find((name) => !isLeftover(name));
  if (foreign !== undefined) throw new StudyFolderError(path, `it contains ${foreign} and is not a study`);
  return made;
};

/** A run killed between taking the lock and writing its settings leaves only these. */
const isLeftover = (name: string): boolean => name === "lock" || isTemporaryFile(name);

/** Files that may be half-written: a step's file, or the lock and the process id. Others are not ours. */
const isTemporaryFile = (name: string): boolean => {
  const original = /^(.+)\.\d+\.tmp$/.exec(name)?.[1];
  return (
    original !== undefined &&
    (WRITTEN_ASIDE.includes(original) || isKeptGradients(original) || isComparedPlan(original))
  );
};

const WRITTEN_ASIDE: readonly string[] = [
  ...Object.values(STUDY_FILES),
  ...Object.values(COMPARISON_FILES),
  "lock",
  "lock.stale",
];

const removeTemporaryFiles = (path: string): void => {
  for (const name of readdirSync(path)) if (isTemporaryFile(name)) rmSync(join(path, name), { force: true });
};

/** The folder cannot hold this study. */
export class StudyFolderError extends KvtunerError {
  constructor(path: string, reason: string, cause?: unknown) {
    super(
      "STUDY_FOLDER",
      `expected a new or empty folder, or a study, at ${JSON.stringify(path)}, but ${reason}; use another --out folder`,
      { cause },
    );
    this.name = "StudyFolderError";
  }
}
