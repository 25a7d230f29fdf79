import { KvtunerError } from "@kvtuner/plan";

/** Checks a whole number, `minimum` at least and `maximum` at most. */
export const wholeNumber = (name: string, value: number, minimum: number, maximum?: number): number => {
  if (Number.isSafeInteger(value) && value >= minimum && value <= (maximum ?? value)) return value;
  const range = maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  throw new OptionError(name, `a whole number ${range}`, String(value));
};

/** Checks a number above 0. */
export const positiveNumber = (name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value;
  throw new OptionError(name, "a number above 0", String(value));
};

/** Checks a seed: generators have 32 bits of it, and seeds that differ are to draw differently. */
export const seedNumber = (seed: number): number => wholeNumber("seed", seed, 0, 2 ** 32 - 1);

/** Checks a value that is one of a few. */
export const oneOf = <Choice extends string>(name: string, value: Choice, choices: readonly Choice[]): Choice => {
  if (choices.includes(value)) return value;
  throw new OptionError(name, `one of ${choices.join(", ")}`, JSON.stringify(value));
};

/** An option has a value that makes no sense. */
export class OptionError extends KvtunerError {
  constructor(name: string, expected: string, got: string) {
    super("OPTION_INVALID", `expected --${name} to be ${expected}, got ${got}`);
    this.name = "OptionError";
  }
}
