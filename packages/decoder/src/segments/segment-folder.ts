import { readFileSync, statSync } from "node:fs";
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { KvtunerError } from "@kvtuner/plan";
import { externalGraph } from "../onnx/external-data.ts";
import type { DeferredGraph } from "../onnx/graph.ts";
import type { CreateSession } from "../session.ts";
import type { SegmentFiles } from "./segment-files.ts";

/**
 * Version of the segments of a model file: a folder written by another version must not be opened. Raise it whenever the
 * graph or the stored weights of an unchanged model file change.
 */
export const SEGMENT_FORMAT: number = 1;

const MODEL = "model.onnx";
const DATA = "weights.bin";
/** Written last; lists the other files with their size and time of change. */
const RECORD = "files.json";

/** Size and time of change of a file. */
interface Stamp {
  readonly bytes: number;
  readonly changedMs: number;
}

/**
 * Segments in a folder, each in a subfolder: an ONNX model, and its weights in a file that is mapped when the model is
 * opened. A subfolder gets its name once it is complete. One whose files have changed since counts as missing. The folder
 * is for one model file and one way to store its weights: the caller gives each of them a folder of its own.
 *
 * @param createSession compiles the model at a path, as `InferenceSession.create` of onnxruntime-node does
 */
export const segmentFolder = (folder: string, createSession: CreateSession<string>): SegmentFiles => ({
  write: async (name, build) => {
    const target = join(folder, name);
    if (!isComplete(target)) await writeSegment(folder, name, await build());
  },
  read: async (name) => ({ bytes: await readFile(join(folder, name, MODEL)), weightsFolder: join(folder, name) }),
  open: async (name, options) => createSession(join(folder, name, MODEL), options),
});

/** Synchronous: a load checks all segments, and awaiting each small call takes ten times as long. */
const isComplete = (target: string): boolean => {
  try {
    const record = JSON.parse(readFileSync(join(target, RECORD), "utf8")) as Readonly<Record<string, Stamp>>;
    return JSON.stringify(record) === JSON.stringify(stampsOf(target));
  } catch {
    return false;
  }
};

const stampsOf = (target: string): Record<string, Stamp> => ({
  [MODEL]: stampOf(join(target, MODEL)),
  [DATA]: stampOf(join(target, DATA)),
});

const stampOf = (path: string): Stamp => {
  const { size, mtimeMs } = statSync(path);
  return { bytes: size, changedMs: mtimeMs };
};

const writeSegment = async (folder: string, name: string, graph: DeferredGraph): Promise<void> => {
  let temporary: string | undefined;
  try {
    await mkdir(folder, { recursive: true });
    await removeAbandoned(folder);
    temporary = await mkdtemp(join(folder, TEMPORARY));
    await writeFiles(temporary, graph);
    await moveInto(temporary, join(folder, name));
  } catch (cause) {
    throw new SegmentWriteError(folder, cause);
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
};

const writeFiles = async (target: string, graph: DeferredGraph): Promise<void> => {
  const { model, parts } = externalGraph(graph, DATA);
  const handle = await open(join(target, DATA), "w");
  try {
    for (const { offset, read } of parts) await writeAt(handle, await read(), offset);
  } finally {
    await handle.close();
  }
  await writeFile(join(target, MODEL), model);
  await writeFile(join(target, RECORD), JSON.stringify(stampsOf(target)));
};

/** On a nearly full disk, one call writes only a part without an error. */
const writeAt = async (handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> => {
  for (let done = 0; done < bytes.length;)
    done += (await handle.write(bytes, done, Math.min(bytes.length - done, MOST_WRITE_BYTES), offset + done))
      .bytesWritten;
};

const MOST_WRITE_BYTES = 2 ** 26;

/** Replaces an incomplete segment; keeps one that another process has completed in the meantime. */
const moveInto = async (temporary: string, target: string): Promise<void> => {
  if (!isComplete(target)) await rm(target, { recursive: true, force: true });
  try {
    await rename(temporary, target);
  } catch (error) {
    if (!isComplete(target)) throw error;
  }
};

const TEMPORARY = "writing-";

/** Far longer than a running writer goes without writing. */
const ABANDONED_MS = 3_600_000;

/**
 * Removes what killed processes have left: folders in which nothing was written for an hour. A process id would not tell,
 * because containers that share the folder number their processes separately.
 */
const removeAbandoned = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith(TEMPORARY) && Date.now() - (await lastChangeMs(path)) > ABANDONED_MS)
      await rm(path, { recursive: true, force: true });
  }
};

/** When the folder or a file in it was last changed. */
const lastChangeMs = async (folder: string): Promise<number> => {
  const files = await readdir(folder).catch(() => []);
  return Math.max(...(await Promise.all([folder, ...files.map((name) => join(folder, name))].map(changedMs))));
};

/** A file that has just been moved or removed is in use. */
const changedMs = async (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Infinity,
  );

/** Segments that cannot be written, such as on a full disk. */
class SegmentWriteError extends KvtunerError {
  constructor(folder: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const isFull = cause instanceof Error && "code" in cause && (cause.code === "ENOSPC" || cause.code === "EDQUOT");
    const remedy = isFull
      ? "free space on that disk, or use a folder on another one"
      : "check that this user can write there and that nothing else changes the folder, or use another one";
    super("SEGMENTS_WRITE", `writing the model's segments to ${folder} failed: ${reason}; ${remedy}`, { cause });
    this.name = "SegmentWriteError";
  }
}
