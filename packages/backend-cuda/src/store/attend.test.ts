import { expect, test } from "vitest";
import { kernelSource } from "../compiler/kernel-source.ts";
import { mostSharedBytes } from "../test-support/most-shared-bytes.ts";
import { LAUNCH_TOKENS } from "./attend.ts";
import { CODE_PAGE_TOKENS, EXACT_PAGE_TOKENS } from "./tensor-layout.ts";

/** Shared memory that any GPU grants. More needs a setting per kernel, which this package does not use. */
const MOST_BYTES = 48 * 1024;

test.each(Object.entries(mostSharedBytes()))(
  "%s takes no more shared memory than a launch may have, at every shape that is claimed: %i bytes",
  (_kernel, sizeBytes) => {
    expect(sizeBytes).toBeLessThanOrEqual(MOST_BYTES);
  },
);

test.each(Object.entries({ LAUNCH_TOKENS, CODE_PAGE_TOKENS, EXACT_PAGE_TOKENS }))(
  "%s is %i in the kernels too",
  (name, tokens) => {
    expect(kernelSource("kernels")).toContain(`constexpr int ${name} = ${tokens};`);
  },
);
