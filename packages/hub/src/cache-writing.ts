import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { HubError } from "./hub-error.ts";

/**
 * Runs `write`, which writes below `path`.
 *
 * @throws HubError `HUB_DISK` when the system refuses
 */
export const writing = async <Result>(path: string, write: () => Promise<Result>): Promise<Result> => {
  try {
    return await write();
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    const reason = cause.message.split(`, ${String(cause.syscall)}`)[0];
    throw new HubError(
      "HUB_DISK",
      `cannot write ${path}: ${reason}; make room there, or set HF_HOME to another folder, and run again: the download continues where it stopped`,
      { cause },
    );
  }
};

/** Free bytes on the disk of a folder that may not exist yet; undefined if the system does not say. */
export const freeBytes = async (folder: string): Promise<number | undefined> => {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? undefined : freeBytes(parent);
  }
};
