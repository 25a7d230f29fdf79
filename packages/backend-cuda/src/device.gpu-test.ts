import { testBackend } from "@kvtuner/backend/test";
import { test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

/** What keeps this machine's GPU from being tested, or undefined. */
const reason = await createCudaBackend().then(
  (backend) => backend.dispose(),
  (error: unknown) => (error as { readonly code: string }).code,
);

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

if (reason) test.skip(`the conformance suite on this machine's GPU (${reason})`);
else conformance();
