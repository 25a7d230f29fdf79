import { listFiles, type ListFileEntry, modelInfo } from "@huggingface/hub";
import type { HubFile } from "./choose-files.ts";
import { HubError } from "./hub-error.ts";
import { isCommit, isSafePath } from "./hub-name.ts";
import type { HubConnection } from "./hub-request.ts";

/** A file of a commit, with the hash that names its blob. */
export interface CommitFile extends HubFile {
  readonly hash: string;
}

/**
 * The commit of a revision, and its files.
 *
 * @throws HubError
 */
export const listCommit = async (
  repository: string,
  revision: string,
  { request, connection: { settings, signal } }: { readonly request: typeof fetch; readonly connection: HubConnection },
): Promise<{ readonly commit: string; readonly files: readonly CommitFile[] }> => {
  const hub = { hubUrl: settings.endpoint, fetch: request };
  try {
    const info = { ...hub, name: repository, revision, additionalFields: ["sha" as const] };
    const commit = isCommit(revision) ? revision : (await modelInfo(info)).sha;
    if (!isCommit(commit)) throw new TypeError("not a commit");
    const files: CommitFile[] = [];
    const repo = { type: "model" as const, name: repository };
    for await (const entry of listFiles({ ...hub, repo, revision: commit, recursive: true }))
      files.push(...fileOf(entry));
    return { commit, files };
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof HubError) throw cause;
    const { host } = new URL(settings.endpoint);
    throw new HubError(
      "HUB_FAILED",
      `expected the answers of a hub from ${host}, got something else; check HF_ENDPOINT, and that no sign-in page of the network answers instead`,
      { cause },
    );
  }
};

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** The hub's word is not believed for paths on this disk. */
const fileOf = ({ type, path, size, oid, lfs }: ListFileEntry): CommitFile[] => {
  const hash = lfs?.oid ?? oid;
  if (type !== "file" || hash === undefined || !HASH.test(hash) || !isSafePath(path)) return [];
  return [{ path, hash, sizeBytes: lfs?.size ?? size }];
};
