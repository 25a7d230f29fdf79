import { existsSync } from "node:fs";

import { parseBytes } from "@kvtuner/plan";
import { InvalidArgumentError } from "commander";

/** Parser of a number; commander reports what it throws with the option's name. */
export const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError(`expected a number, got ${JSON.stringify(text)}`);
  return value;
};

/** Parser of a positive number. */
export const positive = (text: string): number => {
  const value = number(text);
  if (value <= 0) throw new InvalidArgumentError("expected a number above 0");
  return value;
};

/** Parser of a byte count like `40MB`. */
export const bytes = (text: string): number => {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
};

/** Parser of a list with commas. */
export const list = (text: string): string[] => {
  const items = text.split(",").map((item) => item.trim());
  if (!items.includes("")) return items;
  throw new InvalidArgumentError(`expected no empty item between commas, got ${JSON.stringify(text)}`);
};

/** Parser of a list of files, or of one whose name has commas. */
export const paths = (text: string): string[] => (existsSync(text) ? [text] : list(text));

/** Parser of a list of plans: files and shorthands; JSON text is one plan. */
export const plans = (text: string): string[] => (text.trim().startsWith("{") ? [text] : paths(text));

/** Parser of a list of numbers with commas. */
export const numbers = (text: string): number[] => list(text).map(number);

/** Parser of an option's old name: refuses it with the new one. */
export const renamedTo = (name: string) => (): never => {
  throw new InvalidArgumentError(`expected the new name ${name}, got an old one; write ${name}`);
};
