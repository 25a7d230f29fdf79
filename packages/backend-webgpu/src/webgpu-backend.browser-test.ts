import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const adapter = await (navigator as Partial<Navigator>).gpu?.requestAdapter();
const device = await adapter?.requestDevice();

describe.skipIf(!device)(`on the browser's adapter${device ? "" : " (there is none)"}`, () => {
  testBackend({
    name: "webgpu, in a browser",
    createBackend: () => createWebGpuBackend({ device: device! }),
    createSmallBackend: (limits) => createWebGpuBackend({ ...limits, device: device! }),
  });
});
