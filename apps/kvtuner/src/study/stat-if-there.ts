import { statSync, type Stats } from "node:fs";

/** `stat` of a path; undefined if nothing is there, or a folder on the way may not be entered. */
export const statIfThere = (path: string): Stats | undefined => {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
};
