import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes `text` so that a reader, or a run started after a crash, sees the old file or the whole new one: a
 * temporary file beside it, flushed to disk, then renamed, then the folder flushed.
 */
export const writeFileAtomic = (path: string, text: string): void => {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, "w");
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
};

/** As {@link writeFileAtomic}, for a value as indented JSON. */
export const writeJsonAtomic = (path: string, value: unknown): void =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

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
