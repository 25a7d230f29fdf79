import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Default folder of compiled kernels: `kvtuner/cuda` in the user's cache folder. */
export const defaultCacheFolder = (): string => {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME ?? LOCALAPPDATA ?? join(homedir(), ".cache"), "kvtuner", "cuda");
};

export const binaryPath = (folder: string, key: string): string => join(folder, `${key}.cubin`);

/** SHA-256 of a binary, appended to its file: the driver trusts the sizes in a binary without checking them. */
const DIGEST_BYTES = 32;

const digestOf = (binary: Uint8Array): Buffer => createHash("sha256").update(binary).digest();

/** The cached binary of a key; undefined if it is missing or damaged. */
export const keptBinary = (folder: string, key: string): Uint8Array | undefined => {
  try {
    const file = readFileSync(binaryPath(folder, key));
    const binary = file.subarray(0, -DIGEST_BYTES);
    return digestOf(binary).equals(file.subarray(-DIGEST_BYTES)) ? binary : undefined;
  } catch {
    return undefined;
  }
};

/** Caches a binary. If the folder is not writable, every start compiles again. */
export const keepBinary = (folder: string, key: string, binary: Uint8Array): void => {
  const path = binaryPath(folder, key);
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, Buffer.concat([binary, digestOf(binary)]));
    renameSync(draft, path);
  } catch {
    // The cache is optional.
  }
};
