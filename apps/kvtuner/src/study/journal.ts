import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

import { KvtunerError } from "@kvtuner/plan";

import { reasonOf } from "./reason.ts";
import { writing } from "./writing.ts";

/** An append-only file of JSON lines, each flushed to disk before {@link Journal.append} returns. */
export interface Journal<Entry> {
  /** What the file held when it was opened, and everything appended since, in order. */
  readonly entries: readonly Entry[];
  append(entry: Entry): void;
  close(): void;
}

/** What {@link openJournal} needs. */
export interface JournalOptions<Entry> {
  readonly path: string;
  /** Checks one parsed line; throws when it is no entry. */
  readonly parse: (value: unknown) => Entry;
  /** Is told when a half-written last line was dropped. */
  readonly warn: (message: string) => void;
}

/**
 * Opens a journal, creating it when it is not there. A last line without its newline is what a killed run leaves:
 * it is cut off and `warn` is told. Any other line that does not parse is damage by someone else.
 *
 * @throws JournalDamagedKvtunerError naming the line, or saying why the file cannot be read.
 * @throws StudyWriteKvtunerError when it cannot be written, then or by {@link Journal.append}.
 */
export const openJournal = <Entry>(options: JournalOptions<Entry>): Journal<Entry> => {
  const { path } = options;
  const bytes = bytesOf(path);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  const entries = parseLines(bytes.subarray(0, whole).toString("utf8"), options);
  const file = writing(path, () => openSync(path, "a"));
  if (whole < bytes.length) repair(file, whole, bytes.length, options);
  return {
    entries,
    append: (entry) => {
      writing(path, () => {
        // Not `writeSync`, which on a disk that is nearly full writes a part and says nothing.
        writeFileSync(file, `${JSON.stringify(entry)}\n`);
        fsyncSync(file);
      });
      entries.push(entry);
    },
    close: () => closeSync(file),
  };
};

/**
 * The entries of a journal that another run may be writing: nothing is repaired, and a last line without its newline is
 * left out. None where there is no file.
 *
 * @throws JournalDamagedKvtunerError naming the line, or saying why the file cannot be read.
 */
export const readJournal = <Entry>(path: string, parse: (value: unknown) => Entry): Entry[] => {
  const bytes = bytesOf(path);
  return parseLines(bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1).toString("utf8"), { path, parse });
};

const bytesOf = (path: string): Buffer => {
  if (!existsSync(path)) return Buffer.alloc(0);
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new JournalDamagedKvtunerError(path, reasonOf(cause), cause);
  }
};

const repair = <Entry>(file: number, whole: number, length: number, options: JournalOptions<Entry>): void => {
  ftruncateSync(file, whole);
  fsyncSync(file);
  options.warn(`${basename(options.path)}: dropped a half-written last line (${length - whole} bytes)`);
};

const parseLines = <Entry>(text: string, options: Pick<JournalOptions<Entry>, "path" | "parse">): Entry[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => {
      try {
        return options.parse(JSON.parse(line));
      } catch (cause) {
        throw new JournalDamagedKvtunerError(options.path, `line ${index + 1} is none: ${reasonOf(cause)}`, cause);
      }
    });

/** A journal, or a line inside it, is not what this program writes. */
export class JournalDamagedKvtunerError extends KvtunerError {
  constructor(path: string, reason: string, cause: unknown) {
    super(
      "STUDY_JOURNAL_DAMAGED",
      `expected one JSON entry a line in ${path}, but ${reason}; remove that line, or move the study away`,
      { cause },
    );
    this.name = "JournalDamagedKvtunerError";
  }
}
