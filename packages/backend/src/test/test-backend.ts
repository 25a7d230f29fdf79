import { describe, expect, it } from "vitest";
import type { BackendUnderTest } from "./backend-under-test.ts";
import type { Law } from "./law.ts";
import { LAWS } from "./laws.ts";

/**
 * Declares the conformance suite of a backend: one vitest test for each law. Call it at the top of a test file. A law that
 * cannot be tested is shown as skipped, with the reason in its name.
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

/** Slow machines have time enough; what hangs ends. */
const LIMIT_MS = 300_000;
const HEAVY_LIMIT_MS = 3_600_000;
