import { existsSync } from "node:fs";
import { parseBytes } from "@kvtuner/plan";
import {
  flagName,
  OptionRenamedError,
  RENAMED_OPTIONS,
  type Option,
  type OptionKind,
  type OptionTable,
} from "@kvtuner/tuning";
import { type Command, InvalidArgumentError, Option as CliOption } from "commander";

/** What commands accept as MODEL. */
export const MODEL_ARGUMENT =
  "GGUF file, folder of an ONNX model, hf:OWNER/NAME[:FILE][@REVISION], embedded, smollm2, qwen05 or gemma3-270m";

/** Adds the options of a table to a command. Shows defaults but does not set them; the library does. */
export const withOptions = (command: Command, table: OptionTable): Command => {
  for (const [name, option] of Object.entries(table)) command.addOption(cliOption(name, option));
  for (const [former, name] of Object.entries(RENAMED_OPTIONS))
    if (name in table) command.addOption(formerOption(former, name));
  return command;
};

const cliOption = (
  name: string,
  { kind, value, help, fallback, choices, conflicts = [], isRequired = false }: Option<unknown, never, unknown>,
): CliOption => {
  const flag = `--${kind === "flag" && fallback === true ? "no-" : ""}${flagName(name)}`;
  const isShown = ["string", "number"].includes(typeof fallback);
  const option = new CliOption(`${flag} ${value}`.trim(), `${help}${isShown ? ` (default: ${String(fallback)})` : ""}`);
  if (kind !== "flag") option.argParser<unknown>(PARSERS[kind]);
  return (choices ? option.choices(choices) : option).conflicts([...conflicts]).makeOptionMandatory(isRequired);
};

/** Hidden from help; its error names the option's new name. */
const formerOption = (former: string, name: string): CliOption =>
  new CliOption(`--${flagName(former)} <n>`).hideHelp().argParser(() => {
    throw new OptionRenamedError(former, name);
  });

/** Commander adds the option's name to its errors. */
const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError(`expected a number, got ${JSON.stringify(text)}`);
  return value;
};

const bytes = (text: string): number => {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
};

/** `32k` is 32 times 1024 tokens. */
const tokens = (text: string): number => {
  const [, count] = /^(\d+)k$/i.exec(text) ?? [];
  return count === undefined ? number(text) : 1024 * Number(count);
};

const list = (text: string): string[] => {
  const items = text.split(",").map((item) => item.trim());
  if (!items.includes("")) return items;
  throw new InvalidArgumentError(`expected no empty item between commas, got ${JSON.stringify(text)}`);
};

/** Comma-separated files, or one whose name has commas. */
const paths = (text: string): string[] => (existsSync(text) ? [text] : list(text));

/** JSON text is one plan. */
const plans = (text: string): string[] => (text.trim().startsWith("{") ? [text] : paths(text));

/** The table types what commander stores. */
const PARSERS = {
  number,
  numbers: (text: string) => list(text).map(number),
  bytes,
  tokens,
  text: (text: string) => text,
  texts: (text: string, before: readonly string[] = []) => [...before, text],
  list,
  paths,
  plans,
} as Readonly<Record<Exclude<OptionKind, "flag">, (text: string, before: unknown) => unknown>>;
