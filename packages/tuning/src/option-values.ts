import { KvtunerError } from "@kvtuner/plan";

/** Checks a whole number from `minimum` to `maximum`. */
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

/** Checks a seed. Generators use 32 bits, so a larger seed would draw the same as a smaller one. */
export const seedNumber = (seed: number): number => wholeNumber("seed", seed, 0, 2 ** 32 - 1);

/** Checks that a value is one of the choices. */
export const oneOf = <Choice extends string>(name: string, value: Choice, choices: readonly Choice[]): Choice => {
  if (choices.includes(value)) return value;
  throw new OptionError(name, `one of ${choices.join(", ")}`, JSON.stringify(value));
};

/** An option has an invalid value. */
export class OptionError extends KvtunerError {
  constructor(name: string, expected: string, got: string) {
    super("OPTION_INVALID", `expected --${name} to be ${expected}, got ${got}`);
    this.name = "OptionError";
  }
}
