import { KvtunerError } from "@kvtuner/plan";
import type { StudyStorage } from "./storage.ts";

/** A study in memory, gone with the process: for a page without a database, and for tests. */
export const memoryStorage = (records: Map<string, string | Uint8Array<ArrayBuffer>> = new Map()): StudyStorage => {
  let isLocked = false;
  const read = async (name: string): Promise<string | undefined> => records.get(name) as string | undefined;
  return {
    location: "memory",
    locationOf: (name) => name,
    list: async () => [...records.keys()],
    read,
    readBytes: async (name) => records.get(name) as Uint8Array<ArrayBuffer> | undefined,
    write: async (name, contents) => void records.set(name, contents),
    append: async (name, text) => void records.set(name, ((await read(name)) ?? "") + text),
    remove: async (name) => void records.delete(name),
    lock: async () => {
      if (isLocked)
        throw new KvtunerError("STUDY_BUSY", "another run works on the study in memory; wait for it to end");
      isLocked = true;
      return { release: async () => void (isLocked = false) };
    },
  };
};
