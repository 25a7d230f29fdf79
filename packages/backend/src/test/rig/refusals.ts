import { KvtunerError } from "@kvtuner/plan";
import { assertLaw, textOf } from "../law.ts";

/** Fails unless the action throws an error with one of the codes, and a message. Returns the error. */
export const assertRefused = async (
  what: string,
  codes: readonly string[],
  action: () => unknown,
): Promise<KvtunerError> => {
  const caught = await Promise.resolve()
    .then(action)
    .then(
      () => undefined,
      (error: unknown) => error ?? "nothing",
    );
  assertLaw(caught !== undefined, `expected ${what} to be refused with ${codes.join(" or ")}, it was taken`);
  assertLaw(
    isRefusal(caught, codes),
    `expected ${what} to be refused with ${codes.join(" or ")}, got ${codeOf(caught)}: ${textOf(caught)}`,
  );
  return caught;
};

/** Whether an error has one of the codes, and a message. */
export const isRefusal = (error: unknown, codes: readonly string[]): error is KvtunerError =>
  KvtunerError.isInstance(error) && codes.includes(error.code) && error.message.length > 0;

const codeOf = (error: unknown): string => (KvtunerError.isInstance(error) ? error.code : "no code");
