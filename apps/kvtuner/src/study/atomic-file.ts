import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { writing } from "./writing.ts";

/**
 * Writes `text` so that a reader, or a run started after a crash, sees the old file or the whole new one: a
 * temporary file beside it, flushed to disk, then renamed, then the folder flushed.
 *
 * @throws StudyWriteError when it cannot be written, on a full disk for one; the old file is as it was.
 */
export const writeFileAtomic = (path: string, text: string): void => {
  const temporary = `${path}.${process.pid}.tmp`;
  writing(path, () => {
    try {
      writeFlushed(temporary, text);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    syncFolder(dirname(path));
  });
};

/** As {@link writeFileAtomic}, for a value as indented JSON. */
export const writeJsonAtomic = (path: string, value: unknown): void =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

const writeFlushed = (path: string, text: string): void => {
  const file = openSync(path, "w");
  try {
    // Not `writeSync`, which on a disk that is nearly full writes a part and says nothing.
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

/** A rename survives power loss only when the folder is flushed too. Windows cannot open folders, and needs no flush. */
const syncFolder = (folder: string): void => {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
