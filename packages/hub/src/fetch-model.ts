import { partNames } from "@kvtuner/decoder/node";
import { formatBytes } from "@kvtuner/plan";
import { writing } from "./cache-writing.ts";
import { chooseFiles, type HubFile } from "./choose-files.ts";
import { downloadBlob, partialPath } from "./download-blob.ts";
import { type CachedRepository, cachedRepository, sizeIfThere } from "./hub-cache.ts";
import { HubError } from "./hub-error.ts";
import { DEFAULT_REVISION, formatHubName, type HubName, isCommit, parseHubName } from "./hub-name.ts";
import { type HubConnection, hubRequest, type Machine, thisMachine, UnreachableError } from "./hub-request.ts";
import { type Environment, hubSettings } from "./hub-settings.ts";
import type { CommitFile } from "./list-commit.ts";

/** How a model is fetched. */
export interface HubOptions {
  /** Uses downloaded files only, as `HF_HUB_OFFLINE` does. */
  readonly offline?: boolean;
  /** Receives bytes on disk, bytes of all files, and what is downloaded to where. */
  readonly onProgress?: (doneBytes: number, totalBytes: number, note: string) => void;
  /** Receives what the user should know, such as a wait for the hub. */
  readonly onNotice?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** Environment variables; this process's by default. */
  readonly environment?: Environment;
  /** Replaces the network, for tests and proxies. */
  readonly machine?: Machine;
}

/** A model's files in the cache. */
export interface HubModel {
  /** In order; several for a split model. */
  readonly paths: readonly [string, ...string[]];
  /** The model with the commit of its files: `hf:OWNER/NAME:FILE@COMMIT`. */
  readonly source: string;
}

/** What the steps of one fetch share. */
interface Fetch {
  readonly name: HubName;
  readonly cache: CachedRepository;
  readonly connection: HubConnection;
  readonly request: typeof fetch;
  readonly onProgress: NonNullable<HubOptions["onProgress"]>;
}

/**
 * Finds the GGUF files of `hf:OWNER/NAME[:FILE][@REVISION]` in the hub's cache, and downloads what is missing. Without FILE,
 * takes the only model of the repository. A file of a full commit needs no network if it is in the cache.
 *
 * @throws HubError saying what to do; a stopped download continues when called again
 */
export const fetchHubModel = async (text: string, options: HubOptions = {}): Promise<HubModel> => {
  const name = parseHubName(text);
  const settings = hubSettings(options.environment ?? process.env);
  const { machine = thisMachine, onNotice: notify = () => undefined, onProgress = () => undefined, signal } = options;
  const connection = { settings, machine, notify, ...(signal && { signal }) };
  const cache = cachedRepository(settings.cacheFolder, name.repository);
  if (options.offline === true || settings.offline) return cachedModel(name, cache);
  return (
    (await pinnedModel(name, cache)) ??
    (await onlineModel({ name, cache, connection, request: hubRequest(connection, name.repository), onProgress }))
  );
};

/** The model of a full commit and a whole file name, if the cache has it. */
const pinnedModel = async (name: HubName, cache: CachedRepository): Promise<HubModel | undefined> => {
  const { revision = DEFAULT_REVISION, file } = name;
  if (file === undefined || !isCommit(revision)) return undefined;
  const there = new Map((await cache.filesOf(revision)).map((one) => [one.path, one]));
  const [first, ...others] = partNames(file) ?? [file];
  const files = [first!, ...others].flatMap((path) => there.get(path) ?? []);
  return files.length === 1 + others.length ? modelOf(name, revision, files, cache) : undefined;
};

/**
 * The model, from the cache alone.
 *
 * @throws HubError `HUB_OFFLINE`, or `HUB_FILE` listing what was downloaded
 */
const cachedModel = async (name: HubName, cache: CachedRepository): Promise<HubModel> => {
  const { revision = DEFAULT_REVISION } = name;
  const commit = isCommit(revision) ? revision : await cache.commitOf(revision);
  const files = commit === undefined ? [] : await cache.filesOf(commit);
  if (commit !== undefined && files.length > 0) return modelOf(name, commit, chooseFiles(name, files), cache);
  throw new HubError(
    "HUB_OFFLINE",
    `expected ${formatHubName(name)} among downloaded models, got none; run once without --offline and HF_HUB_OFFLINE`,
  );
};

const modelOf = (
  { repository }: HubName,
  commit: string,
  files: readonly HubFile[],
  cache: CachedRepository,
): HubModel => ({
  paths: files.map(({ path }) => cache.pathOf(commit, path)) as [string, ...string[]],
  source: formatHubName({ repository, file: files[0]!.path, revision: commit }),
});

/** The model as the hub has it now; without a network, as it was when it was last downloaded. */
const onlineModel = async (job: Fetch): Promise<HubModel> => {
  const { name, cache, connection } = job;
  const { listCommit } = await import("./list-commit.ts"); // Most models are not on the hub.
  const { revision = DEFAULT_REVISION } = name;
  const listed = await listCommit(name.repository, revision, job).catch((error: unknown) => {
    if (error instanceof UnreachableError) return error;
    throw error;
  });
  if (listed instanceof UnreachableError) {
    const older = await cachedModel(name, cache).catch(() => undefined);
    if (older === undefined) throw listed;
    connection.notify(`${listed.reason}; using ${older.source}, which was downloaded earlier`);
    return older;
  }
  const { commit, files } = listed;
  const chosen = chooseFiles(name, files);
  const missing = await withoutCached(chosen, commit, cache);
  if (missing.length > 0) await downloadAll(missing, commit, job);
  await writing(cache.folder, async () => {
    for (const { path, hash } of missing) await cache.link(commit, path, hash);
    if (revision !== commit) await cache.setCommit(revision, commit);
  });
  return modelOf(name, commit, chosen, cache);
};

/** Files that the commit's folder lacks. */
const withoutCached = async (
  files: readonly CommitFile[],
  commit: string,
  cache: CachedRepository,
): Promise<CommitFile[]> => {
  const sizes = await Promise.all(files.map(({ path }) => sizeIfThere(cache.pathOf(commit, path))));
  return files.filter(({ sizeBytes }, index) => sizes[index] !== sizeBytes);
};

/** Downloads the blobs that are not there from another commit. */
const downloadAll = async (files: readonly CommitFile[], commit: string, job: Fetch): Promise<void> => {
  const { name, cache, connection, request, onProgress } = job;
  const note = await roomFor(files, job);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let before = 0;
  for (const { path, sizeBytes, hash } of files) {
    const encoded = path.split("/").map(encodeURIComponent).join("/");
    const url = `${connection.settings.endpoint}/${name.repository}/resolve/${commit}/${encoded}`;
    const download = { url, name: path, sizeBytes, hash, path: cache.blobOf(hash) };
    const offset = before;
    if ((await sizeIfThere(download.path)) !== sizeBytes)
      await downloadBlob(download, request, connection, (bytes) => onProgress(offset + bytes, totalBytes, note));
    before += sizeBytes;
  }
};

/**
 * Checks that the disk has room for what is missing; returns a text that says what goes where.
 *
 * @throws HubError `HUB_DISK`
 */
const roomFor = async (files: readonly CommitFile[], { cache, connection }: Fetch): Promise<string> => {
  let neededBytes = 0;
  for (const { sizeBytes, hash } of files)
    if ((await sizeIfThere(cache.blobOf(hash))) !== sizeBytes)
      neededBytes += Math.max(0, sizeBytes - ((await sizeIfThere(partialPath(cache.blobOf(hash)))) ?? 0));
  const free = await connection.machine.freeBytes(cache.folder);
  const [first, ...others] = files.map(({ path }) => path);
  const what = `${first}${others.length > 0 ? ` and ${others.length} more` : ""}`;
  const room = free === undefined ? "" : `, ${formatBytes(free)} free`;
  if (free === undefined || free >= neededBytes) return `${what} to ${cache.folder}${room}`;
  throw new HubError(
    "HUB_DISK",
    `expected ${formatBytes(neededBytes)} of free disk space for ${what} in ${cache.folder}, got ${formatBytes(free)}; make room there, or set HF_HOME to a folder on another disk`,
  );
};
