import { KvtunerError } from "@kvtuner/plan";
import { oneOf, OptionError, seedNumber, wholeNumber } from "./option-values.ts";

/**
 * How a command line writes a value: `bytes` like `40MB`, `tokens` like `32k`, `texts` more than once, several `numbers`, `paths` or `plans` with
 * commas; a `flag` has no value.
 */
export type OptionKind =
  | "number"
  | "numbers"
  | "bytes"
  | "tokens"
  | "text"
  | "texts"
  | "list"
  | "paths"
  | "plans"
  | "flag";

/** One option, defined once: its type, check, default, help and form on a command line. */
export interface Option<Value = unknown, Input = Value, Fallback = Value | undefined> {
  readonly kind: OptionKind;
  /** Name of the value in help, such as `<n>`; empty for a flag. */
  readonly value: string;
  readonly help: string;
  /** The default; undefined for none. */
  readonly fallback: Fallback;
  /** Returns the checked value; throws for an invalid one. `name` is the flag, such as `max-kl`. */
  readonly check: (name: string, value: Input) => Value;
  readonly choices?: readonly string[];
  /** Options that it cannot be given with. */
  readonly conflicts?: readonly string[];
  /** Whether a command line must give it. */
  readonly isRequired?: boolean;
}

/** Options by the names that programs give them: `sampleLength` is `--sample-length`. */
export type OptionTable = Readonly<Record<string, Option<unknown, never, unknown>>>;

/** Values for the options of a table. */
export type Given<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: Parameters<Table[Name]["check"]>[1];
};

type WithFallback<Table extends OptionTable> = {
  [Name in keyof Table]: undefined extends Table[Name]["fallback"] ? never : Name;
}[keyof Table];

/** The options of a table, checked, with every default filled in. */
export type Filled<Table extends OptionTable> = {
  readonly [Name in WithFallback<Table>]: ReturnType<Table[Name]["check"]>;
} & {
  readonly [Name in Exclude<keyof Table, WithFallback<Table>>]?: ReturnType<Table[Name]["check"]>;
};

/** A whole number. */
export const wholeOption = <Fallback extends number | undefined>(
  range: { readonly least: number; readonly most?: number },
  fallback: Fallback,
  help: string,
): Option<number, number, Fallback> => ({
  kind: "number",
  value: "<n>",
  help,
  fallback,
  check: (name, value) => wholeNumber(name, value, range.least, range.most),
});

/** A number that meets a condition. */
export const numberOption = <Fallback extends number | undefined>(
  value: string,
  [expected, holds]: readonly [expected: string, holds: (value: number) => boolean],
  fallback: Fallback,
  help: string,
): Option<number, number, Fallback> => ({
  kind: "number",
  value,
  help,
  fallback,
  check: (name, given) => {
    if (Number.isFinite(given) && holds(given)) return given;
    throw new OptionError(name, expected, String(given));
  },
});

/** A seed, 0 by default. */
export const seedOption = (help: string): Option<number, number, number> => ({
  kind: "number",
  value: "<n>",
  help,
  fallback: 0,
  check: (_, value) => seedNumber(value),
});

/** One of a few names. */
export const choiceOption = <Choice extends string, Fallback extends Choice | undefined>(
  choices: readonly Choice[],
  fallback: Fallback,
  help: string,
): Option<Choice, Choice, Fallback> => ({
  kind: "text",
  value: "<name>",
  help,
  fallback,
  check: (name, value) => oneOf(name, value, choices),
  choices,
});

/** Any text, such as a path. */
export const textOption = (value: string, help: string): Option<string, string, undefined> => ({
  kind: "text",
  value,
  help,
  fallback: undefined,
  check: (_, text) => text,
});

/** A flag, off by default. */
export const flagOption = (help: string): Option<boolean, boolean, undefined> => ({
  kind: "flag",
  value: "",
  help,
  fallback: undefined,
  check: (_, isSet) => isSet,
});

/** `sample-length` for `sampleLength`. */
export const flagName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Former names of options, and the current ones. */
export const RENAMED_OPTIONS: Readonly<Record<string, string>> = {
  windows: "samples",
  windowLength: "sampleLength",
  window: "recent",
};

/**
 * Checks the values for a table's options and fills in defaults. Other members are dropped.
 *
 * @throws OptionError naming the option
 * @throws OptionRenamedError for a former name
 */
export const fillOptions = <Table extends OptionTable>(table: Table, given: Given<Table>): Filled<Table> => {
  rejectRenamed(given);
  const filled: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const value = (given as Readonly<Record<string, unknown>>)[name] ?? option.fallback;
    if (value !== undefined) filled[name] = option.check(flagName(name), value as never);
  }
  return filled as Filled<Table>;
};

const rejectRenamed = (given: object): void => {
  for (const [former, name] of Object.entries(RENAMED_OPTIONS))
    if ((given as Readonly<Record<string, unknown>>)[former] !== undefined) throw new OptionRenamedError(former, name);
};

/** The value of an option; a list is written with commas. */
type OptionValue = string | number | boolean | readonly (string | number)[] | undefined;

/** Values as command-line options: the flag and its text, which is empty for an option without a value. */
export const commandOptions = (table: OptionTable, values: object): [flag: string, value: string][] =>
  Object.keys(table).flatMap((name): [string, string][] => {
    const value = (values as Readonly<Record<string, OptionValue>>)[name];
    if (value === undefined || value === false) return [];
    return [[flagName(name), value === true ? "" : String(value)]];
  });

/** An option was given by its former name. */
export class OptionRenamedError extends KvtunerError {
  constructor(former: string, name: string) {
    super(
      "OPTION_RENAMED",
      `expected ${name} (--${flagName(name)}), got its former name ${former} (--${flagName(former)}); use the new one`,
    );
    this.name = "OptionRenamedError";
  }
}
