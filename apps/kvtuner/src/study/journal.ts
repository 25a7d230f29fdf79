import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";

import { KvtunerError } from "@kvtuner/plan";

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
 * @throws JournalDamagedKvtunerError naming the line.
 */
export const openJournal = <Entry>(options: JournalOptions<Entry>): Journal<Entry> => {
  const bytes = existsSync(options.path) ? readFileSync(options.path) : Buffer.alloc(0);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  const entries = parseLines(bytes.subarray(0, whole).toString("utf8"), options);
  const file = openSync(options.path, "a");
  if (whole < bytes.length) repair(file, whole, bytes.length, options);
  return {
    entries,
    append: (entry) => {
      writeSync(file, `${JSON.stringify(entry)}\n`);
      fsyncSync(file);
      entries.push(entry);
    },
    close: () => closeSync(file),
  };
};

const repair = <Entry>(file: number, whole: number, length: number, options: JournalOptions<Entry>): void => {
  ftruncateSync(file, whole);
  fsyncSync(file);
  options.warn(`${basename(options.path)}: dropped a half-written last line (${length - whole} bytes)`);
};

const parseLines = <Entry>(text: string, options: JournalOptions<Entry>): Entry[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => {
      try {
        return options.parse(JSON.parse(line));
      } catch (cause) {
        throw new JournalDamagedKvtunerError(options.path, index + 1, cause);
      }
    });

/** A line inside a journal is not what this program writes. */
export class JournalDamagedKvtunerError extends KvtunerError {
  constructor(path: string, line: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    super(
      "STUDY_JOURNAL_DAMAGED",
      `expected one JSON entry a line in ${path}, line ${line} is none (${reason}); remove that line, or move the study away`,
      { cause },
    );
    this.name = "JournalDamagedKvtunerError";
  }
}
