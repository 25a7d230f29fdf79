import { testBackend } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createGpuBackend, createTensorCoreGpuBackend } from "./test-support/gpu-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

/** Why this machine's GPU cannot be tested, or undefined. */
const reasonWhy = async (): Promise<string | undefined> => {
  try {
    const backend = await createGpuBackend();
    await backend.dispose();
    return undefined;
  } catch (error) {
    if (process.env["KVTUNER_CUDA_REQUIRED"]) throw error; // an explicit request for a GPU must not end in skipped tests
    return (error as { readonly code: string }).code;
  }
};
const reason = await reasonWhy();

const conformance = (name: string, createBackend: typeof createGpuBackend, exportName: string): void =>
  testBackend({
    name,
    createBackend,
    createSmallBackend: createBackend,
    backendModule: {
      url: new URL("./test-support/gpu-backend.ts", import.meta.url).href,
      exportName,
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });

if (!reason) {
  conformance("cuda", createGpuBackend, "createGpuBackend");
  conformance("cuda on tensor cores", createTensorCoreGpuBackend, "createTensorCoreGpuBackend");
}

test.skipIf(reason)(`this machine has a GPU for the conformance suite${reason ? ` (${reason})` : ""}`, () => {
  expect(reason).toBeUndefined();
});
