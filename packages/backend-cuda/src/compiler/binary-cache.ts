import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where compiled kernels are kept when nothing else is said: `kvtuner/cuda` in the user's cache folder. */
export const defaultCacheFolder = (): string => {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME ?? LOCALAPPDATA ?? join(homedir(), ".cache"), "kvtuner", "cuda");
};

/** The binary that was kept under a key, or undefined. */
export const keptBinary = (folder: string, key: string): Uint8Array | undefined => {
  try {
    return readFileSync(join(folder, `${key}.cubin`));
  } catch {
    return undefined;
  }
};

/** Keeps a binary. A folder that cannot be written to costs a compilation at every start, and no more. */
export const keepBinary = (folder: string, key: string, binary: Uint8Array): void => {
  const path = join(folder, `${key}.cubin`);
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, binary);
    renameSync(draft, path);
  } catch {
    // Nothing depends on it.
  }
};
