import { existsSync, mkdirSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and its parents; returns the new ones, outermost first. Does not use `recursive`, which never returns if a
 * file system answers ENOENT to every new folder, as /proc does.
 */
export const makeFolder = (path: string): string[] => {
  if (existsSync(path)) return [];
  const parent = dirname(path);
  const made = parent === path ? [] : makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another run may have made it in between.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return made;
    throw error;
  }
  return [...made, path];
};

/** Removes the folders that {@link makeFolder} made, if they are empty. */
export const removeEmptyFolders = (made: readonly string[]): void => {
  try {
    for (const path of made.toReversed()) rmdirSync(path);
  } catch {
    // No longer empty: keep it.
  }
};
