import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { writing } from "./writing.ts";

/**
 * Writes text or bytes so that any reader, even after a crash, sees either the old file or the whole new one: writes a temporary file
 * beside it, flushes it, renames it, and flushes the folder.
 *
 * @throws StudyWriteError when it cannot be written, for example on a full disk; the old file is unchanged
 */
export const writeFileAtomic = (path: string, contents: string | Uint8Array): void => {
  const temporary = `${path}.${process.pid}.tmp`;
  writing(path, () => {
    try {
      writeFlushed(temporary, contents);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    syncFolder(dirname(path));
  });
};

/** {@link writeFileAtomic} of a value as indented JSON. */
export const writeJsonAtomic = (path: string, value: unknown): void =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

const writeFlushed = (path: string, contents: string | Uint8Array): void => {
  const file = openSync(path, "w");
  try {
    // Not `writeSync`: on a nearly full disk it writes only a part, without an error.
    writeFileSync(file, contents);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

/** A rename survives power loss only if the folder is flushed too. Windows cannot open folders, and needs no flush. */
const syncFolder = (folder: string): void => {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
