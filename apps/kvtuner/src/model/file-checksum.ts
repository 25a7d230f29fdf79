import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { writeJsonAtomic } from "../study/atomic-file.ts";
import { makeFolder } from "../study/make-folder.ts";
import { kvtunerHome } from "./home.ts";

/** State of a file that changes when its bytes do. Times in nanoseconds, as text: they do not fit a number. */
const FILE_STATE = z.strictObject({
  path: z.string(),
  size: z.string(),
  modified: z.string(),
  changed: z.string(),
  inode: z.string(),
});
const RECORD = z.strictObject({ files: z.array(FILE_STATE), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

type FileState = z.infer<typeof FILE_STATE>;

/**
 * SHA-256 of the bytes of all files, one after another, as `cat FILES | sha256sum` prints it. Remembers it under KVTUNER_HOME, and
 * reads the files again if their size, inode, or time of change differs: a large file takes seconds.
 */
export const filesChecksum = async (paths: readonly string[]): Promise<string> => {
  const files = paths.map(stateOf);
  const record = recordPath(files);
  const known = readRecord(record, files);
  if (known !== undefined) return known;
  const sha256 = await sha256Of(paths);
  if (isSettled(files) && isUnchanged(files, paths.map(stateOf))) remember(record, { files, sha256 });
  return sha256;
};

const sha256Of = async (paths: readonly string[]): Promise<string> => {
  const hash = createHash("sha256");
  for (const path of paths)
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Uint8Array);
  return hash.digest("hex");
};

const stateOf = (path: string): FileState => {
  const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
  return {
    path: resolve(path),
    size: `${size}`,
    modified: `${mtimeNs}`,
    changed: `${ctimeNs}`,
    inode: `${ino}`,
  };
};

const isUnchanged = (one: readonly FileState[], other: readonly FileState[]): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** Some file systems count times in steps of two seconds: a file changed that recently could change again unseen. */
const SETTLING_NS = 4_000_000_000n;

const isSettled = (files: readonly FileState[]): boolean => {
  const latest = BigInt(Date.now()) * 1_000_000n - SETTLING_NS;
  return files.every(({ modified, changed }) => BigInt(modified) < latest && BigInt(changed) < latest);
};

const recordPath = (files: readonly FileState[]): string => {
  const key = JSON.stringify(files.map(({ path }) => path));
  return join(kvtunerHome(), "checksums", `${createHash("sha256").update(key).digest("hex")}.json`);
};

/** Undefined if there is no record, it is damaged, or a file has changed since. */
const readRecord = (path: string, files: readonly FileState[]): string | undefined => {
  try {
    const record = RECORD.parse(JSON.parse(readFileSync(path, "utf8")));
    return isUnchanged(record.files, files) ? record.sha256 : undefined;
  } catch {
    return undefined;
  }
};

/** A record that cannot be written only costs the next run time. */
const remember = (path: string, record: z.infer<typeof RECORD>): void => {
  try {
    makeFolder(dirname(path));
    writeJsonAtomic(path, record);
  } catch {
    // For example a read-only home. Whatever else needs the folder reports that.
  }
};
