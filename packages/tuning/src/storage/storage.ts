import type { z } from "zod";
import { checkedValue, withChecksum } from "./checksum.ts";

/**
 * Where a study keeps its records: a folder of files, a browser's database, or memory. A record has a name such as
 * `front.json` and holds text, or bytes. Everything that resolves has reached the storage: it survives the end of the process.
 */
export interface StudyStorage {
  /** Names the storage in messages: the path of a folder, for example. */
  readonly location: string;
  /** Names one record in messages: the path of a file, for example. */
  locationOf(name: string): string;
  /** Names of all records. */
  list(): Promise<readonly string[]>;
  /** The text of a record that holds text; undefined when there is no such record. */
  read(name: string): Promise<string | undefined>;
  /** The bytes of a record that holds bytes; undefined when there is no such record. */
  readBytes(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Replaces a record. A reader sees the old contents or all of the new ones, even after a crash. */
  write(name: string, contents: string | Uint8Array<ArrayBuffer>): Promise<void>;
  /** Adds text at the end of a record, which is created when it is missing. A crash may leave a part of the text. */
  append(name: string, text: string): Promise<void>;
  /** Removes a record, if there is one. */
  remove(name: string): Promise<void>;
  /** Lets one run work on the study at a time; rejects while another holds the lock. */
  lock(): Promise<StudyLock>;
}

/** Held by the one run that works on a study. */
export interface StudyLock {
  /** Lets another run work on the study. */
  release(): Promise<void>;
}

/** What a record holds: whatever its schema accepts. */
export type Stored<Schema extends z.ZodType> = Immutable<z.output<Schema>>;

type Immutable<Value> = Value extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : { readonly [Name in keyof Value]: Immutable<Value[Name]> };

/** Replaces a record by indented JSON with its checksum. */
export const writeRecord = (storage: StudyStorage, name: string, value: object): Promise<void> =>
  storage.write(name, `${withChecksum(JSON.stringify(value, null, 2))}\n`);

/**
 * A record's value, without its checksum; undefined when there is no such record.
 *
 * @throws SyntaxError, ChecksumError when it is not what {@link writeRecord} writes
 */
export const readRecord = async (storage: StudyStorage, name: string): Promise<unknown> => {
  const text = await storage.read(name);
  return text === undefined ? undefined : checkedValue(text);
};
