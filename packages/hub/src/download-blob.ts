import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { formatBytes } from "@kvtuner/plan";
import { writing } from "./cache-writing.ts";
import { sizeIfThere } from "./hub-cache.ts";
import { HubError } from "./hub-error.ts";
import { type HubConnection, UnreachableError } from "./hub-request.ts";

/** A file to download. */
export interface Download {
  readonly url: string;
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256 of the file, or the Git hash (SHA-1) of a file kept in Git itself; hexadecimal. */
  readonly hash: string;
  /** Where the complete file goes. */
  readonly path: string;
}

/** File that an interrupted download leaves, and that the next one continues. */
export const partialPath = (path: string): string => `${path}.incomplete`;

/** Connections in a row that may bring nothing. */
const MAX_FRUITLESS = 5;
const READ_BYTES = 1 << 20;

/**
 * Downloads a file, or the rest of it, and checks its hash. Every byte is written at its place, so that two downloads of one
 * file at the same time do no harm.
 *
 * @param onProgress Receives the number of bytes on disk.
 * @throws HubError `HUB_INTERRUPTED` or `HUB_DISK`, after which the next download continues; `HUB_CHECKSUM`, after which it
 *   begins again
 */
export const downloadBlob = async (
  download: Download,
  request: typeof fetch,
  connection: HubConnection,
  onProgress: (bytes: number) => void,
): Promise<void> => {
  const partial = partialPath(download.path);
  await writing(partial, async () => {
    await mkdir(dirname(partial), { recursive: true });
    const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
    try {
      const part = { download, file, hash: hashOf(download), onProgress };
      await receiveAll(part, await readStart(part), request, connection);
      await file.sync();
      await assertHash(part, partial);
    } finally {
      await file.close();
    }
    await renameOnce(partial, download.path);
  });
};

/** A file that grows. */
interface Part {
  readonly download: Download;
  readonly file: FileHandle;
  readonly hash: Hash;
  readonly onProgress: (bytes: number) => void;
}

const GIT_HASH_LENGTH = 40;

/** Git hashes a header with the contents. */
const hashOf = ({ hash, sizeBytes }: Download): Hash =>
  hash.length === GIT_HASH_LENGTH ? createHash("sha1").update(`blob ${sizeBytes}\0`) : createHash("sha256");

/** Hashes what an earlier download left; returns its length. */
const readStart = async ({ download: { sizeBytes }, file, hash, onProgress }: Part): Promise<number> => {
  const { size } = await file.stat();
  if (size > sizeBytes) {
    await file.truncate(0);
    return 0;
  }
  const piece = new Uint8Array(READ_BYTES);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await file.read(piece, 0, READ_BYTES, done);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    done += bytesRead;
  }
  onProgress(done);
  return done;
};

/** Connects again, from where the last connection broke, as long as that brings anything. */
const receiveAll = async (
  part: Part,
  start: number,
  request: typeof fetch,
  { machine, notify, signal }: HubConnection,
): Promise<void> => {
  const { sizeBytes, name } = part.download;
  let [done, fruitless] = [start, 0];
  while (done < sizeBytes) {
    const { end, failure } = await receive(part, request, done);
    if (end === sizeBytes) return;
    fruitless = end > done ? 0 : fruitless + 1;
    done = end;
    if (fruitless >= MAX_FRUITLESS) throw interrupted(part.download, done, failure);
    notify(`the connection broke at ${formatBytes(done)} of ${name}; continuing`);
    await machine.wait(1000 * 2 ** fruitless, signal);
  }
};

/** Receives from byte `from` on; returns where the connection ended, and why if it broke. */
const receive = async (
  { download, file, hash, onProgress }: Part,
  request: typeof fetch,
  from: number,
): Promise<{ readonly end: number; readonly failure?: unknown }> => {
  let end = from;
  try {
    for await (const piece of piecesFrom(download, request, from)) {
      if (end + piece.length > download.sizeBytes) throw tooLong(download);
      await writeAll(file, piece, end);
      hash.update(piece);
      end += piece.length;
      onProgress(end);
    }
    return { end };
  } catch (failure) {
    if (!isPassing(failure)) throw failure;
    return { end, failure };
  }
};

/** Whether the connection failed, and not the disk or the hub. */
const isPassing = (error: unknown): boolean => error instanceof UnreachableError || error instanceof TypeError;

/** The file from byte `from` on, without what a server without ranges sends before it. */
const piecesFrom = async function* (
  download: Download,
  request: typeof fetch,
  from: number,
): AsyncGenerator<Uint8Array> {
  // Bytes of a compressed answer would have other places.
  const headers = { "Accept-Encoding": "identity", ...(from > 0 && { Range: `bytes=${from}-` }) };
  const response = await request(download.url, { headers });
  let place = startOf(response);
  if (place > from) throw interrupted(download, from, undefined);
  for await (const received of response.body ?? []) {
    const bytes = received as Uint8Array;
    yield bytes.subarray(Math.max(0, from - place));
    place += bytes.length;
  }
};

/** Place of the first byte of an answer; a server without ranges sends the whole file. */
const startOf = ({ status, headers }: Response): number =>
  status === 206 ? Number(/^bytes (\d+)-/.exec(headers.get("Content-Range") ?? "")?.[1] ?? Infinity) : 0;

const writeAll = async (file: FileHandle, bytes: Uint8Array, place: number): Promise<void> => {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, place + done)).bytesWritten;
};

const assertHash = async ({ download, hash }: Part, partial: string): Promise<void> => {
  const got = hash.digest("hex");
  if (got === download.hash) return;
  await rm(partial, { force: true });
  throw new HubError(
    "HUB_CHECKSUM",
    `expected ${download.name} with hash ${download.hash.slice(0, 12)}, got ${got.slice(0, 12)}; the download was damaged and is removed: run again`,
  );
};

/** A download of the same file may have been faster. */
const renameOnce = async (from: string, to: string): Promise<void> =>
  rename(from, to).catch(async (error: unknown) => {
    if ((await sizeIfThere(to)) === undefined) throw error;
  });

const tooLong = ({ name, sizeBytes }: Download): HubError =>
  new HubError(
    "HUB_FAILED",
    `expected ${formatBytes(sizeBytes)} of ${name}, got more; the hub changed the file meanwhile: run again`,
  );

const interrupted = ({ name, sizeBytes }: Download, done: number, cause: unknown): HubError =>
  new HubError(
    "HUB_INTERRUPTED",
    `downloading ${name} stopped at ${formatBytes(done)} of ${formatBytes(sizeBytes)}: the connection breaks every time; run again later: the download continues there`,
    { cause },
  );
