import type { StudyStorage } from "./storage.ts";

/** A study in memory, gone with the process: for a page without a database, and for tests. */
export const memoryStorage = (records: Map<string, string> = new Map()): StudyStorage => {
  let isLocked = false;
  return {
    location: "memory",
    locationOf: (name) => name,
    list: async () => [...records.keys()],
    read: async (name) => records.get(name),
    write: async (name, text) => void records.set(name, text),
    append: async (name, text) => void records.set(name, (records.get(name) ?? "") + text),
    lock: async () => {
      if (isLocked) throw new Error("internal: a run already works on this study");
      isLocked = true;
      return { release: async () => void (isLocked = false) };
    },
  };
};
