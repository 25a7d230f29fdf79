import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KvtunerError } from "@kvtuner/plan";
import { writing } from "./writing.ts";

/** Held by the one run that works in a study folder. */
export interface StudyLock {
  release(): void;
}

interface Owner {
  readonly pid: number;
  /** When the owning process started, in its system's unit; tells a reused pid from the owner. */
  readonly processStart: string;
  /** When the lock was taken, ISO 8601, for people. */
  readonly since: string;
}

/**
 * Takes the lock of a study folder. Takes over the lock of a process that has ended, such as a killed run.
 *
 * @throws StudyBusyError while another running process holds it
 * @throws StudyLockError when the file of that name is not one of our locks
 * @throws StudyWriteError when it cannot be written
 */
export const lockStudy = (folder: string): StudyLock => {
  const path = join(folder, "lock");
  const mine = JSON.stringify({
    pid: process.pid,
    processStart: processStart(process.pid),
    since: new Date().toISOString(),
  });
  for (let attempt = 0; attempt < 10; attempt++) {
    if (writing(path, () => claim(path, mine))) return { release: () => release(path, mine) };
    removeStale(path, folder);
  }
  throw new StudyBusyError(folder, undefined);
};

/** A hard link appears with its whole content or not at all, so no reader ever sees an empty lock. */
const claim = (path: string, content: string): boolean => {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    return claimWithoutLinks(path, content);
  } finally {
    rmSync(temporary, { force: true });
  }
};

/** For file systems without hard links. */
const claimWithoutLinks = (path: string, content: string): boolean => {
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
};

/** Moves a stale lock aside under a unique name, so that of two runs that see it only one removes it. */
const removeStale = (path: string, folder: string): void => {
  const content = readIfThere(path);
  if (content === undefined) return;
  const owner = parseOwner(content);
  if (owner === undefined) throw new StudyLockError(path);
  if (isAlive(owner)) throw new StudyBusyError(folder, owner);
  const aside = `${path}.stale.${process.pid}.tmp`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  // Another run may have taken over between reading and renaming: return its lock.
  if (readIfThere(aside) !== content && !existsSync(path)) renameSync(aside, path);
  else rmSync(aside, { force: true });
};

const release = (path: string, mine: string): void => {
  if (readIfThere(path) === mine) rmSync(path, { force: true });
};

const parseOwner = (content: string): Owner | undefined => {
  try {
    const owner = JSON.parse(content) as Owner | null;
    const isOurs = Number.isInteger(owner?.pid) && typeof owner?.processStart === "string";
    return isOurs && typeof owner.since === "string" ? owner : undefined;
  } catch {
    return undefined;
  }
};

const isAlive = (owner: Owner): boolean => {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
  }
  return processStart(owner.pid) === owner.processStart;
};

/** Start time of a process in clock ticks (`/proc/PID/stat`, field 22); empty without /proc, or for a zombie. */
const processStart = (pid: number): string => {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? "" : (fields[19] ?? "");
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;

/** Another run works in this study folder. */
export class StudyBusyError extends KvtunerError {
  constructor(folder: string, owner: Owner | undefined) {
    const who = owner === undefined ? "another process" : `process ${owner.pid}, since ${owner.since}`;
    super("STUDY_BUSY", `the study in ${folder} is in use by ${who}; wait for it to end, or use another --out folder`);
    this.name = "StudyBusyError";
  }
}

/** The folder holds a file named `lock` that this program did not write. */
export class StudyLockError extends KvtunerError {
  constructor(path: string) {
    super(
      "STUDY_LOCK_UNKNOWN",
      `${path} is not a lock file of a study; ` +
        "remove it if no other process uses the study, or use another --out folder",
    );
    this.name = "StudyLockError";
  }
}
