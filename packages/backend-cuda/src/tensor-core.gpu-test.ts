import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { createTensorCoreBackendOnCpu } from "./test-support/cpu-backend.ts";
import { noCompiler } from "./test-support/compile-driver.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const reason = noCompiler();

describe.skipIf(reason)(`with kernels compiled for the CPU${reason ? ` (${reason})` : ""}`, () => {
  testBackend({
    name: "cuda on tensor cores",
    tolerance: 5e-4,
    createBackend: createTensorCoreBackendOnCpu,
    createSmallBackend: createTensorCoreBackendOnCpu,
    backendModule: {
      url: new URL("./test-support/cpu-backend.ts", import.meta.url).href,
      exportName: "createTensorCoreBackendOnCpu",
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });
});
