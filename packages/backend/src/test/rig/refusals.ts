import { KvtunerError } from "@kvtuner/plan";
import { assertLaw, textOf } from "../law.ts";

/** Fails unless the action is refused by an error with one of the codes, and a message. Returns the error. */
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
    KvtunerError.isInstance(caught) && codes.includes(caught.code) && caught.message.length > 0,
    `expected ${what} to be refused with ${codes.join(" or ")}, got ${codeOf(caught)}: ${textOf(caught)}`,
  );
  return caught;
};

const codeOf = (error: unknown): string => (KvtunerError.isInstance(error) ? error.code : "no code");
