import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { noCompiler } from "./test-support/compile-driver.ts";
import { createAffineBackendOnCpu } from "./test-support/cpu-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const reason = noCompiler();

describe.skipIf(reason)(`with kernels compiled for the CPU${reason ? ` (${reason})` : ""}`, () => {
  testBackend({
    name: "cuda",
    tolerance: 5e-4,
    createBackend: createAffineBackendOnCpu,
    createSmallBackend: createAffineBackendOnCpu,
    backendModule: {
      url: new URL("./test-support/cpu-backend.ts", import.meta.url).href,
      exportName: "createAffineBackendOnCpu",
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });
});
