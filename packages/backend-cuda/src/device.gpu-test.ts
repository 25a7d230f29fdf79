import { testBackend } from "@kvtuner/backend/test";
import { expect, test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

/** What keeps this machine's GPU from being tested, or undefined. */
const reasonWhy = async (): Promise<string | undefined> => {
  try {
    const backend = await createCudaBackend();
    await backend.dispose();
    return undefined;
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
};
const reason = await reasonWhy();

const conformance = (): void =>
  testBackend({
    name: "cuda",
    createBackend: createCudaBackend,
    createSmallBackend: createCudaBackend,
    backendModule: {
      url: new URL("./cuda-backend.ts", import.meta.url).href,
      exportName: "createCudaBackend",
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });

if (!reason) conformance();

test.skipIf(reason)(`this machine has a GPU for the conformance suite${reason ? ` (${reason})` : ""}`, () => {
  expect(reason).toBeUndefined();
});
