import { open, readFile, rename, rm } from "node:fs/promises";
import { readSession, type SavedSession, SavedSessionError } from "@kvtuner/decoder/sessions";
import { KvtunerError, type ModelIdentity } from "@kvtuner/plan";
import { systemReason } from "@kvtuner/tuning";
import { statIfThere } from "../study/stat-if-there.ts";

/**
 * The session in a file, or undefined if there is no such file yet.
 *
 * @throws SavedSessionError naming the file, when it holds no session of this model; SessionFileError `SESSION_FILE` when it cannot be read
 */
export const readSessionFile = async (path: string, model: ModelIdentity): Promise<SavedSession | undefined> => {
  if (statIfThere(path) === undefined) return undefined;
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new SessionFileError("reading", path, cause);
  });
  try {
    return await readSession(bytes, model);
  } catch (cause) {
    if (!KvtunerError.isInstance(cause)) throw cause;
    throw new SavedSessionError(cause.code, `${path}: ${cause.message}`, { cause });
  }
};

/**
 * Replaces the file, whole or not at all: a crash leaves the session before.
 *
 * @throws SessionFileError `SESSION_FILE`
 */
export const writeSessionFile = async (path: string, bytes: Uint8Array): Promise<void> => {
  const draft = `${path}.${process.pid}.part`;
  try {
    const handle = await open(draft, "w");
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw new SessionFileError("writing", path, cause);
  }
};

/** A session's file cannot be read or written. */
export class SessionFileError extends KvtunerError {
  constructor(doing: "reading" | "writing", path: string, cause: unknown) {
    super("SESSION_FILE", `${doing} the session ${path} failed: ${systemReason(cause)}; use another --session`, {
      cause,
    });
    this.name = "SessionFileError";
  }
}
