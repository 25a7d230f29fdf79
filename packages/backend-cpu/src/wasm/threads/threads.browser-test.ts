import type { Backend } from "@kvtuner/backend";
import { testBackend } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createEagerBackend } from "../test-support/eager-backend.ts";

const isolated = globalThis.crossOriginIsolated;

test.skipIf(!isolated)("the page is cross-origin isolated, without which it has no threads", () => {
  expect(globalThis.SharedArrayBuffer).toBeDefined();
});

/** The main thread of a page may not sleep: it looks for the end of a job until it is there. */
const createBackend = async (): Promise<Backend> => createEagerBackend(3);

if (isolated) testBackend({ name: "cpu, three threads in a browser", createBackend });
