import type { Backend } from "@kvtuner/backend";
import { LAWS, type LawName } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createEagerBackend } from "../test-support/eager-backend.ts";

const isolated = globalThis.crossOriginIsolated;

test.skipIf(!isolated)("the page is cross-origin isolated, without which it has no threads", () => {
  expect(globalThis.SharedArrayBuffer).toBeDefined();
});

/** A page's main thread may not sleep, so it polls for the end of a job. */
const createBackend = async (): Promise<Backend> => createEagerBackend(3);

/**
 * Laws in which threads share out rows and tiles. All laws together would make more memories than a page has addresses for:
 * ended workers release theirs some time later.
 */
const SHARED_OUT: readonly LawName[] = ["prefill", "recent", "retune"];

test.skipIf(!isolated).each(SHARED_OUT)("three threads in a page: %s", async (name) => {
  await expect(LAWS[name].check({ name: "cpu, three threads in a browser", createBackend })).resolves.toBeUndefined();
});
