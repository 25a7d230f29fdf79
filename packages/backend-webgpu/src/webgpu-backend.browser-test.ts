import { testBackend } from "@kvtuner/backend/test";
import { describe } from "vitest";
import { PLAIN } from "./kernels/variant.ts";
import { withoutTransform } from "./test-support/without-transform.ts";
import { createWebGpuBackend } from "./webgpu-backend.ts";

const adapter = await (navigator as Partial<Navigator>).gpu?.requestAdapter();
const device = await adapter?.requestDevice();

describe.skipIf(!device)(`on the browser's adapter${device ? "" : " (there is none)"}`, () => {
  testBackend({
    name: "webgpu, in a browser",
    createBackend: async () => withoutTransform(await createWebGpuBackend({ device: device!, kernels: PLAIN })),
    createSmallBackend: async (limits) =>
      withoutTransform(await createWebGpuBackend({ ...limits, device: device!, kernels: PLAIN })),
  });
});
