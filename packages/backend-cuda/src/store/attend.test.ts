import { expect, test } from "vitest";
import { mostSharedBytes } from "../test-support/most-shared-bytes.ts";

/** Shared memory that any GPU grants. More needs a setting per kernel, which this package does not use. */
const MOST_BYTES = 48 * 1024;

test.each(Object.entries(mostSharedBytes()))(
  "%s takes no more shared memory than a launch may have, at every shape that is claimed: %i bytes",
  (_kernel, sizeBytes) => {
    expect(sizeBytes).toBeLessThanOrEqual(MOST_BYTES);
  },
);
