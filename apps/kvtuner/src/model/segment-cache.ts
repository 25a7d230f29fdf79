import { readdirSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CreateSession, SegmentFiles, WeightStorage } from "@kvtuner/decoder";
import { SEGMENT_FORMAT, segmentFolder } from "@kvtuner/decoder/node";
import { formatBytes, KvtunerError } from "@kvtuner/plan";
import { statIfThere } from "../study/stat-if-there.ts";
import { kvtunerHome } from "./home.ts";

/** Folder of the segments of all models. */
export const segmentsFolder = (): string => join(kvtunerHome(), "segments");

/** Segments of one model file under one storage. */
export interface CachedSegments {
  readonly folder: string;
  readonly files: SegmentFiles;
}

/** Segments in a folder named after the model file's checksum, the storage, and the format. */
export const cachedSegments = (
  sha256: string,
  storage: WeightStorage,
  createSession: CreateSession<string>,
): CachedSegments => {
  const folder = join(segmentsFolder(), `${sha256.slice(0, 32)}-${storage}-${SEGMENT_FORMAT}`);
  return { folder, files: segmentFolder(folder, createSession) };
};

/** Files of segments differ from the estimate by their models and padding. */
const MARGIN = 0.98;

/**
 * Bytes that a load will write to a folder of segments: 0 if they are there.
 *
 * @throws SegmentDiskError when the disk has less free space
 */
export const bytesToWrite = (folder: string, diskBytes: number): number => {
  const missing = diskBytes - folderBytes(folder);
  if (missing < (1 - MARGIN) * diskBytes) return 0;
  const free = freeBytes(folder);
  if (missing > free) throw new SegmentDiskError(folder, missing, free);
  return missing;
};

/** Bytes of all files below a folder; 0 if it does not exist. Synchronous: awaiting many small calls takes far longer. */
export const folderBytes = (folder: string): number => {
  if (statIfThere(folder) === undefined) return 0;
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  // Another process may remove its temporary file in between.
  const sizes = entries.map((entry) =>
    entry.isFile() ? (statIfThere(join(entry.parentPath, entry.name))?.size ?? 0) : 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};

/** Of the disk of the folder, or of its nearest parent that exists. */
const freeBytes = (folder: string): number => {
  if (statIfThere(folder) === undefined && dirname(folder) !== folder) return freeBytes(dirname(folder));
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
};

/** Segments that do not fit the disk. */
class SegmentDiskError extends KvtunerError {
  constructor(folder: string, missing: number, free: number) {
    super(
      "SEGMENTS_DISK",
      `expected ${formatBytes(missing)} of free disk space for ${folder}, which keeps the weights ready to map, got ${formatBytes(free)}; free space there, or set KVTUNER_HOME to a folder on another disk`,
    );
    this.name = "SegmentDiskError";
  }
}
