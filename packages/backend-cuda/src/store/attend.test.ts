import { expect, test } from "vitest";
import { kernelSource } from "../compiler/kernel-source.ts";
import { mostSharedBytes } from "../test-support/most-shared-bytes.ts";
import { LAUNCH_TOKENS, MOST_SHARED_BYTES } from "./attend.ts";
import { TENSOR_HEAD_SIZE } from "./tensor-core-layouts.ts";
import { CODE_PAGE_TOKENS, EXACT_PAGE_TOKENS } from "./tensor-layout.ts";

test.each(Object.entries(mostSharedBytes()))(
  "%s takes no more shared memory than a launch may have, at every shape that is claimed: %i bytes",
  (_kernel, sizeBytes) => {
    expect(sizeBytes).toBeLessThanOrEqual(MOST_SHARED_BYTES);
  },
);

test.each(Object.entries({ LAUNCH_TOKENS, CODE_PAGE_TOKENS, EXACT_PAGE_TOKENS, TENSOR_HEAD_SIZE }))(
  "%s is %i in the kernels too",
  (name, count) => {
    expect(kernelSource("tensor-cores")).toContain(`constexpr int ${name} = ${count};`);
  },
);
