import type { Backend } from "@kvtuner/backend";
import { LAWS, type LawName } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createEagerBackend } from "../test-support/eager-backend.ts";

const isolated = globalThis.crossOriginIsolated;

test.skipIf(!isolated)("the page is cross-origin isolated, without which it has no threads", () => {
  expect(globalThis.SharedArrayBuffer).toBeDefined();
});

/** The main thread of a page may not sleep: it looks for the end of a job until it is there. */
const createBackend = async (): Promise<Backend> => createEagerBackend(3);

/**
 * Those in which threads have rows and tiles to share out. All of them together make more memories than a page has addresses
 * for: workers that were ended give theirs back some time later.
 */
const SHARED_OUT: readonly LawName[] = ["prefill", "recent", "retune"];

test.skipIf(!isolated).each(SHARED_OUT)("three threads in a page: %s", async (name) => {
  await expect(LAWS[name].check({ name: "cpu, three threads in a browser", createBackend })).resolves.toBeUndefined();
});
