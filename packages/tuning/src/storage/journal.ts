import { KvtunerError } from "@kvtuner/plan";
import { checkedValue, withChecksum } from "./checksum.ts";
import { reasonOf } from "./reason.ts";
import type { StudyStorage } from "./storage.ts";

/** An append-only record of JSON lines, each with a checksum and stored before {@link Journal.append} resolves. */
export interface Journal<Entry extends object> {
  /** All entries in order: those read when the journal was opened, then those appended. */
  readonly entries: readonly Entry[];
  append(entry: Entry): Promise<void>;
}

/** Options of {@link openJournal}. */
export interface JournalOptions<Entry extends object> {
  readonly storage: StudyStorage;
  readonly name: string;
  /** Checks one parsed line; throws if it is not an entry. */
  readonly parse: (value: unknown) => Entry;
  /** Receives a message when lines were dropped. */
  readonly warn: (message: string) => void;
}

/**
 * Opens a journal, creating it if it is missing. Removes damaged lines, whose measurements are then repeated: a last line without
 * a newline, which a killed run leaves, and lines that fail their checksum or are not entries.
 *
 * @throws JournalDamagedError when the record cannot be read.
 */
export const openJournal = async <Entry extends object>(options: JournalOptions<Entry>): Promise<Journal<Entry>> => {
  const { storage, name, warn } = options;
  const text = await textOf(options);
  const { entries, lines, damaged, halfLine } = parsed(text, options);
  if (damaged.length > 0 || halfLine !== "") await storage.write(name, lines.map((line) => `${line}\n`).join(""));
  else if (text === "") await storage.append(name, "");
  if (damaged.length > 0) warn(damageMessage(name, damaged));
  if (halfLine !== "") warn(`${name}: dropped a half-written last line (${byteLength(halfLine)} bytes)`);
  return {
    entries,
    append: async (entry) => {
      await storage.append(name, `${withChecksum(JSON.stringify(entry))}\n`);
      entries.push(entry);
    },
  };
};

/**
 * The entries of a journal that another run may be writing. Repairs nothing and ignores a last line without a newline. Empty if
 * there is no record.
 *
 * @throws JournalDamagedError naming the first damaged line, or saying why the record cannot be read.
 */
export const readJournal = async <Entry extends object>(source: JournalSource<Entry>): Promise<Entry[]> => {
  const { entries, damaged } = parsed(await textOf(source), source);
  const [first] = damaged;
  if (first === undefined) return entries;
  const reason = `line ${first.number} is damaged: ${reasonOf(first.cause)}`;
  throw new JournalDamagedError(source.storage.locationOf(source.name), reason, first.cause);
};

type JournalSource<Entry extends object> = Pick<JournalOptions<Entry>, "storage" | "name" | "parse">;

const textOf = async <Entry extends object>({ storage, name }: JournalSource<Entry>): Promise<string> => {
  try {
    return (await storage.read(name)) ?? "";
  } catch (cause) {
    throw new JournalDamagedError(storage.locationOf(name), reasonOf(cause), cause);
  }
};

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

interface DamagedLine {
  /** Counted from 1. */
  readonly number: number;
  readonly cause: unknown;
}

interface ParsedJournal<Entry> {
  readonly entries: Entry[];
  /** The lines of the entries. */
  readonly lines: readonly string[];
  readonly damaged: readonly DamagedLine[];
  /** Text after the last newline. */
  readonly halfLine: string;
}

const parsed = <Entry extends object>(text: string, { parse }: JournalSource<Entry>): ParsedJournal<Entry> => {
  const written = text.split("\n");
  const halfLine = written.pop() ?? "";
  const [entries, lines, damaged]: [Entry[], string[], DamagedLine[]] = [[], [], []];
  for (const [index, line] of written.entries()) {
    try {
      entries.push(parse(checkedValue(line)));
      lines.push(line);
    } catch (cause) {
      damaged.push({ number: index + 1, cause });
    }
  }
  return { entries, lines, damaged, halfLine };
};

const damageMessage = (name: string, damaged: readonly DamagedLine[]): string => {
  const numbers = damaged.map(({ number }) => number).join(", ");
  const reason = reasonOf(damaged[0]?.cause);
  return `${name}: removed ${damaged.length} damaged ${damaged.length === 1 ? "line" : "lines"} (${numbers}: ${reason}); what they held is measured again`;
};

/** A journal, or a line inside it, is not what this program writes. */
export class JournalDamagedError extends KvtunerError {
  constructor(location: string, reason: string, cause: unknown) {
    super(
      "STUDY_JOURNAL_DAMAGED",
      `expected one JSON entry with its checksum on each line of ${location}, but ${reason}; ` +
        "run tune again with the settings of the study to measure it again, or move the study away",
      { cause },
    );
    this.name = "JournalDamagedError";
  }
}
