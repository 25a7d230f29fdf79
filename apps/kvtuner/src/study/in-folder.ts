import { prepareFolder } from "./folder-storage.ts";
import { removeEmptyFolders } from "./make-folder.ts";

/** Checks a study folder before the work. If that fails, removes folders that were made for it and are empty. */
export const inFolder = async <Result>(path: string, work: () => Promise<Result>): Promise<Result> => {
  const made = prepareFolder(path);
  try {
    return await work();
  } catch (error) {
    removeEmptyFolders(made);
    throw error;
  }
};
