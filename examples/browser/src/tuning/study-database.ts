import { KvtunerError } from "@kvtuner/plan";
import type { StudyStorage } from "@kvtuner/tuning";

const DATABASE = "kvtuner studies";
const RECORDS = "records";

/**
 * A study in this browser's IndexedDB, so it survives a closed tab. Its records are kept under the study's name. Only one
 * tab at a time works on it.
 */
export const studyDatabase = (study: string): StudyStorage => {
  const keyOf = (name: string): string => `${study}/${name}`;
  return {
    location: study,
    locationOf: keyOf,
    list: async () => {
      const keys = await inRecords("readonly", (records) => records.getAllKeys());
      return keys.map(String).flatMap((key) => (key.startsWith(keyOf("")) ? [key.slice(keyOf("").length)] : []));
    },
    read: (name) => inRecords<string | undefined>("readonly", (records) => records.get(keyOf(name))),
    readBytes: (name) =>
      inRecords<Uint8Array<ArrayBuffer> | undefined>("readonly", (records) => records.get(keyOf(name))),
    write: async (name, contents) =>
      void (await inRecords("readwrite", (records) => records.put(contents, keyOf(name)))),
    append: (name, text) => append(keyOf(name), text),
    remove: (name) => inRecords("readwrite", (records) => records.delete(keyOf(name))),
    lock: () => lock(study),
  };
};

/** Reads and writes in one transaction, so that two tabs cannot lose each other's lines. */
const append = async (key: string, text: string): Promise<void> => {
  await inRecords("readwrite", (records) => {
    const held: IDBRequest<string | undefined> = records.get(key);
    held.addEventListener("success", () => records.put((held.result ?? "") + text, key));
    return held;
  });
};

/** Resolves with a request's result once its transaction has reached the disk. */
const inRecords = async <Result>(
  mode: IDBTransactionMode,
  work: (records: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> => {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(RECORDS, mode, { durability: "strict" });
      const request = work(transaction.objectStore(RECORDS));
      transaction.addEventListener("complete", () => resolve(request.result));
      transaction.addEventListener("abort", () => reject(new StudyDatabaseError(transaction.error)));
    });
  } finally {
    database.close();
  }
};

const opened = (): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore(RECORDS));
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(new StudyDatabaseError(request.error)));
  });

const lock = async (study: string): Promise<{ release(): Promise<void> }> => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await new Promise<void>((resolve, reject) => {
    void navigator.locks.request(`${DATABASE}: ${study}`, { ifAvailable: true }, (granted) => {
      if (granted === null) return reject(new StudyBusyError(study));
      resolve();
      return held;
    });
  });
  return { release: async () => release() };
};

/** The browser cannot keep a record. */
class StudyDatabaseError extends KvtunerError {
  constructor(cause: DOMException | null) {
    super(
      "STUDY_WRITE",
      `this browser cannot store the study (${cause?.message ?? "no reason given"}); free some space or leave private browsing`,
      { cause },
    );
    this.name = "StudyDatabaseError";
  }
}

/** Another tab works on the study. */
class StudyBusyError extends KvtunerError {
  constructor(study: string) {
    super("STUDY_BUSY", `another tab tunes ${study}; wait for it to end, or stop it there`);
    this.name = "StudyBusyError";
  }
}
