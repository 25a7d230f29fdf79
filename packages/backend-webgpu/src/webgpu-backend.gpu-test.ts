import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { testDevice } from "./test-support/node-gpu.ts";
import { createWebGpuBackend, type WebGpuBackend, type WebGpuOptions } from "./webgpu-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const { device, skipped } = await testDevice();

/** Backends share the device, and with it the compiled kernels. */
const backendWith = (options: WebGpuOptions): Promise<WebGpuBackend> =>
  createWebGpuBackend({ device: device!, ...options });

describe.skipIf(skipped)(`with float32 kernels${skipped ? ` (${skipped})` : ""}`, () => {
  const kernels = PLAIN;
  testBackend({
    name: "webgpu",
    createBackend: () => backendWith({ kernels }),
    createSmallBackend: (limits) => backendWith({ ...limits, kernels }),
    backendModule: {
      url: new URL("./test-support/node-gpu.ts", import.meta.url).href,
      exportName: "createNodeBackend",
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });
});
