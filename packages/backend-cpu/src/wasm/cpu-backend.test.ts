import { testBackend } from "@kvtuner/backend/test";
import { createCpuBackend } from "./cpu-backend.ts";

const loader = new URL("../../../../tools/typescript-loader.mjs", import.meta.url).href;

testBackend({
  name: "cpu",
  createBackend: createCpuBackend,
  createSmallBackend: createCpuBackend,
  backendModule: {
    url: new URL("./cpu-backend.ts", import.meta.url).href,
    exportName: "createCpuBackend",
    nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
  },
});
