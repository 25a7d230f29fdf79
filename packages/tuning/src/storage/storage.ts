/**
 * Where a study keeps its records: a folder of files, a browser's database, or memory. A record has a name such as
 * `front.json` and holds text. Everything that resolves has reached the storage: it survives the end of the process.
 */
export interface StudyStorage {
  /** Names the storage in messages: the path of a folder, for example. */
  readonly location: string;
  /** Names one record in messages: the path of a file, for example. */
  locationOf(name: string): string;
  /** Names of all records. */
  list(): Promise<readonly string[]>;
  /** A record's text; undefined when there is no such record. */
  read(name: string): Promise<string | undefined>;
  /** Replaces a record. A reader sees the old text or all of the new one, even after a crash. */
  write(name: string, text: string): Promise<void>;
  /** Adds text at the end of a record, which is created when it is missing. A crash may leave a part of the text. */
  append(name: string, text: string): Promise<void>;
  /** Lets one run work on the study at a time; rejects while another holds the lock. */
  lock(): Promise<StudyLock>;
}

/** Held by the one run that works on a study. */
export interface StudyLock {
  release(): Promise<void>;
}

/** Replaces a record by indented JSON. */
export const writeJson = (storage: StudyStorage, name: string, value: unknown): Promise<void> =>
  storage.write(name, `${JSON.stringify(value, null, 2)}\n`);
