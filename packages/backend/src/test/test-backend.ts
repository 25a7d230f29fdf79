import { describe, expect, it } from "vitest";
import type { BackendUnderTest } from "./backend-under-test.ts";
import type { Law } from "./law.ts";
import { LAWS } from "./laws.ts";

/**
 * Declares the conformance suite of a backend: one vitest test per law. Call it at the top level of a test file. Laws that
 * cannot be tested are shown as skipped, with the reason in the name.
 */
export const testBackend = (options: BackendUnderTest): void => {
  describe(`the backend ${options.name}`, () => {
    for (const law of Object.values(LAWS)) declareLaw(law, options);
  });
};

const declareLaw = ({ name, skipped, check }: Law, options: BackendUnderTest): void => {
  const reason = skipped?.(options);
  it.skipIf(reason)(
    `${name}${reason ? ` (${reason})` : ""}`,
    async () => {
      await expect(check(options)).resolves.toBeUndefined();
    },
    options.heavy ? HEAVY_LIMIT_MS : LIMIT_MS,
  );
};

/** Long enough for slow machines, but ends a test that hangs. */
const LIMIT_MS = 300_000;
const HEAVY_LIMIT_MS = 3_600_000;
