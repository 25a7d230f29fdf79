import { testBackend } from "@kvtuner/backend/test";
import { createReferenceBackend } from "./reference-backend.ts";

const loader = new URL("../../../../tools/typescript-loader.mjs", import.meta.url).href;

testBackend({
  name: "cpu-reference",
  createBackend: createReferenceBackend,
  createSmallBackend: createReferenceBackend,
  backendModule: {
    url: new URL("./reference-backend.ts", import.meta.url).href,
    exportName: "createReferenceBackend",
    nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
  },
  tolerance: 1e-6,
});
