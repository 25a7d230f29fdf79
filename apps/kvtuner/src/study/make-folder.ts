import { existsSync, mkdirSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it; returns the ones that were not there, outermost first. Not `recursive`, which never
 * returns where a file system answers ENOENT to every new folder, as /proc does.
 */
export const makeFolder = (path: string): string[] => {
  if (existsSync(path)) return [];
  const parent = dirname(path);
  const made = parent === path ? [] : makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another run may have made it meanwhile.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return made;
    throw error;
  }
  return [...made, path];
};

/** Removes folders that {@link makeFolder} made, as far as they are empty. */
export const removeEmptyFolders = (made: readonly string[]): void => {
  try {
    for (const path of made.toReversed()) rmdirSync(path);
  } catch {
    // Something is in there by now: it stays.
  }
};
