import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { HubFile } from "./choose-files.ts";
import { isCommit } from "./hub-name.ts";

/**
 * One repository in the cache that all tools for the hub share: `blobs/HASH`, `refs/REVISION` with a commit, and
 * `snapshots/COMMIT/PATH`, which link to the blobs. Layout:
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
export interface CachedRepository {
  readonly folder: string;
  /** Commit of a branch or tag when it was last looked up. */
  readonly commitOf: (revision: string) => Promise<string | undefined>;
  readonly setCommit: (revision: string, commit: string) => Promise<void>;
  /** Where a file of a commit is, or would be. */
  readonly pathOf: (commit: string, path: string) => string;
  readonly blobOf: (hash: string) => string;
  /** Files of a commit that are complete. */
  readonly filesOf: (commit: string) => Promise<HubFile[]>;
  /** Links a file of a commit to a blob. */
  readonly link: (commit: string, path: string, hash: string) => Promise<void>;
}

/** The repository `OWNER/NAME` in a cache folder. */
export const cachedRepository = (cacheFolder: string, repository: string): CachedRepository => {
  const folder = join(cacheFolder, ["models", ...repository.split("/")].join("--"));
  const refOf = (revision: string): string => join(folder, "refs", ...revision.split("/"));
  const pathOf = (commit: string, path: string): string => join(folder, "snapshots", commit, ...path.split("/"));
  const blobOf = (hash: string): string => join(folder, "blobs", hash);
  return {
    folder,
    pathOf,
    blobOf,
    commitOf: async (revision) => {
      const commit = await readFile(refOf(revision), "utf8").catch(() => "");
      return isCommit(commit.trim()) ? commit.trim() : undefined;
    },
    setCommit: (revision, commit) => writeIfChanged(refOf(revision), commit),
    filesOf: (commit) => filesIn(join(folder, "snapshots", commit)),
    link: (commit, path, hash) => linkFile(blobOf(hash), pathOf(commit, path)),
  };
};

/** Size of a file, through links; undefined if there is none. */
export const sizeIfThere = async (path: string): Promise<number | undefined> =>
  stat(path).then(
    (stats) => (stats.isFile() ? stats.size : undefined),
    () => undefined,
  );

/** A reader never sees half a file. */
const writeIfChanged = async (path: string, text: string): Promise<void> => {
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
};

const filesIn = async (folder: string): Promise<HubFile[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((): Dirent[] => []);
  const files = entries.map(async ({ parentPath, name }): Promise<HubFile[]> => {
    const path = join(parentPath, name);
    const sizeBytes = await sizeIfThere(path);
    return sizeBytes === undefined ? [] : [{ path: relative(folder, path).split(sep).join("/"), sizeBytes }];
  });
  return (await Promise.all(files)).flat();
};

/** Without the right to make links, as on Windows, the file itself moves there. */
const linkFile = async (blob: string, path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // Another process made it in between.
    if (code !== "EPERM" && code !== "ENOTSUP") throw error;
    await rename(blob, path);
  }
};
