import { KvtunerError } from "@kvtuner/plan";

import { reasonOf } from "./reason.ts";
import type { StudyStorage } from "./storage.ts";

/** An append-only record of JSON lines, each stored before {@link Journal.append} resolves. */
export interface Journal<Entry> {
  /** What the record held when it was opened, and everything appended since, in order. */
  readonly entries: readonly Entry[];
  append(entry: Entry): Promise<void>;
}

/** What {@link openJournal} needs. */
export interface JournalOptions<Entry> {
  readonly storage: StudyStorage;
  readonly name: string;
  /** Checks one parsed line; throws when it is no entry. */
  readonly parse: (value: unknown) => Entry;
  /** Is told when a half-written last line was dropped. */
  readonly warn: (message: string) => void;
}

/**
 * Opens a journal, creating it when it is missing. A last line without its newline is what a killed run leaves: it is
 * cut off and `warn` is told. Any other line that does not parse is damage by someone else.
 *
 * @throws JournalDamagedKvtunerError naming the line, or saying why the record cannot be read.
 */
export const openJournal = async <Entry>(options: JournalOptions<Entry>): Promise<Journal<Entry>> => {
  const { storage, name, warn } = options;
  const text = await textOf(options);
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const entries = parseLines(whole, options);
  if (whole.length < text.length) {
    await storage.write(name, whole);
    warn(`${name}: dropped a half-written last line (${byteLength(text.slice(whole.length))} bytes)`);
  } else if (text === "") await storage.append(name, "");
  return {
    entries,
    append: async (entry) => {
      await storage.append(name, `${JSON.stringify(entry)}\n`);
      entries.push(entry);
    },
  };
};

/**
 * The entries of a journal that another run may be writing: nothing is repaired, and a last line without its newline is
 * left out. None where there is no record.
 *
 * @throws JournalDamagedKvtunerError naming the line, or saying why the record cannot be read.
 */
export const readJournal = async <Entry>(options: Omit<JournalOptions<Entry>, "warn">): Promise<Entry[]> => {
  const text = await textOf(options);
  return parseLines(text.slice(0, text.lastIndexOf("\n") + 1), options);
};

type JournalSource<Entry> = Pick<JournalOptions<Entry>, "storage" | "name" | "parse">;

const textOf = async <Entry>({ storage, name }: JournalSource<Entry>): Promise<string> => {
  try {
    return (await storage.read(name)) ?? "";
  } catch (cause) {
    throw new JournalDamagedKvtunerError(storage.locationOf(name), reasonOf(cause), cause);
  }
};

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

const parseLines = <Entry>(text: string, { storage, name, parse }: JournalSource<Entry>): Entry[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => {
      try {
        return parse(JSON.parse(line));
      } catch (cause) {
        const reason = `line ${index + 1} is none: ${reasonOf(cause)}`;
        throw new JournalDamagedKvtunerError(storage.locationOf(name), reason, cause);
      }
    });

/** A journal, or a line inside it, is not what this program writes. */
export class JournalDamagedKvtunerError extends KvtunerError {
  constructor(location: string, reason: string, cause: unknown) {
    super(
      "STUDY_JOURNAL_DAMAGED",
      `expected one JSON entry a line in ${location}, but ${reason}; remove that line, or move the study away`,
      { cause },
    );
    this.name = "JournalDamagedKvtunerError";
  }
}
