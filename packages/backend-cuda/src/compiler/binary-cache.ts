import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Default folder of compiled kernels: `kvtuner/cuda` in the user's cache folder. */
export const defaultCacheFolder = (): string => {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME ?? LOCALAPPDATA ?? join(homedir(), ".cache"), "kvtuner", "cuda");
};

/** Where the binary of a key is kept. */
export const binaryPath = (folder: string, key: string): string => join(folder, `${key}.cubin`);

/** SHA-256 of a binary, which is kept behind it: the driver trusts what a binary says of its own size. */
const DIGEST_BYTES = 32;

const digestOf = (binary: Uint8Array): Buffer => createHash("sha256").update(binary).digest();

/** The binary that was kept under a key, or undefined where there is none, or one that is no longer as it was kept. */
export const keptBinary = (folder: string, key: string): Uint8Array | undefined => {
  try {
    const file = readFileSync(binaryPath(folder, key));
    const binary = file.subarray(0, -DIGEST_BYTES);
    return digestOf(binary).equals(file.subarray(-DIGEST_BYTES)) ? binary : undefined;
  } catch {
    return undefined;
  }
};

/** Keeps a binary. A folder that cannot be written to costs a compilation at every start, and no more. */
export const keepBinary = (folder: string, key: string, binary: Uint8Array): void => {
  const path = binaryPath(folder, key);
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, Buffer.concat([binary, digestOf(binary)]));
    renameSync(draft, path);
  } catch {
    // Nothing depends on it.
  }
};
