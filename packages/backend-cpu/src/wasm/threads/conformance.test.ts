import { LAWS, type LawName, testBackend } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createEagerBackend } from "../test-support/eager-backend.ts";

const loader = new URL("../../../../../tools/typescript-loader.mjs", import.meta.url).href;

testBackend({
  name: "cpu, two threads",
  createBackend: () => createEagerBackend(2),
  createSmallBackend: (limits) => createEagerBackend(2, limits),
  backendModule: {
    url: new URL("../test-support/eager-backend.ts", import.meta.url).href,
    exportName: "createTwoThreads",
    nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
  },
});

/** Laws where more threads than KV heads share out rows and tiles differently. */
const SHARED_OUT: readonly LawName[] = ["constant-groups", "prefill", "recent", "retune"];

test.each(SHARED_OUT)("three threads: %s", async (name) => {
  const options = { name: "cpu, three threads", createBackend: () => createEagerBackend(3) };
  await expect(LAWS[name].check(options)).resolves.toBeUndefined();
});
