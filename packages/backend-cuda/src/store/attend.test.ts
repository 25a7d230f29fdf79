import { expect, test } from "vitest";
import { mostSharedBytes } from "../test-support/most-shared-bytes.ts";

/** What a launch may have on any GPU; more has to be asked for, kernel by kernel, which this package does not do. */
const MOST_BYTES = 48 * 1024;

test.each(Object.entries(mostSharedBytes()))(
  "%s takes no more shared memory than a launch may have, at every shape that is claimed: %i bytes",
  (_kernel, sizeBytes) => {
    expect(sizeBytes).toBeLessThanOrEqual(MOST_BYTES);
  },
);
