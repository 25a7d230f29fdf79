import { statSync, type Stats } from "node:fs";

/** What is at a path; undefined when nothing is, or when the path leads through a folder that may not be entered. */
export const statIfThere = (path: string): Stats | undefined => {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
};
