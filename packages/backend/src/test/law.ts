import { KvtunerError } from "@kvtuner/plan";
import type { BackendUnderTest } from "./backend-under-test.ts";

/** Something that holds for every backend. */
export interface Law {
  /** The rule as a predicate; the backend's name comes before it. */
  readonly name: string;
  /** Why the law cannot be tested on a backend, if so. */
  readonly skipped?: (options: BackendUnderTest) => string | undefined;
  /** Resolves if the law holds; rejects with a {@link LawError} that says where it does not. */
  readonly check: (options: BackendUnderTest) => Promise<void>;
}

/**
 * Fails the law that is being checked unless `holds`.
 *
 * @param message what was expected, and what came
 * @throws LawError `BACKEND_LAW`
 */
export function assertLaw(holds: boolean, message: string): asserts holds {
  if (!holds) throw new LawError(message);
}

/** Runs all cases of a law and names up to ten that fail. */
export const checkCases = async <Case>(
  cases: readonly Case[],
  name: (item: Case) => string,
  check: (item: Case) => Promise<void>,
): Promise<void> => {
  const failures: Error[] = [];
  for (const item of cases)
    await check(item).catch((cause: unknown) => {
      failures.push(new LawError(`${name(item)}: ${textOf(cause)}`, { cause }));
    });
  if (failures.length === 0) return;
  const lines = failures.slice(0, 10).map(({ message }) => `\n- ${message}`);
  throw new LawError(`${failures.length} of ${cases.length} cases fail:${lines.join("")}`, { cause: failures[0] });
};

/** The message of anything caught. */
export const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** A backend breaks a law. */
export class LawError extends KvtunerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("BACKEND_LAW", message, options);
    this.name = "LawError";
  }
}
