import { create } from "webgpu";
import { PLAIN } from "../kernels/variant.ts";
import { createWebGpuBackend, type WebGpuBackend } from "../webgpu-backend.ts";

/** Dawn's WebGPU. It must outlive what comes from it. */
export const nodeGpu: GPU = create([]);

/** A backend of its own, as another process makes it. */
export const createNodeBackend = (): Promise<WebGpuBackend> => createWebGpuBackend({ gpu: nodeGpu, kernels: PLAIN });

/** The same as users get it: with the kernels that are chosen for the adapter. */
export const createChosenNodeBackend = (): Promise<WebGpuBackend> => createWebGpuBackend({ gpu: nodeGpu });

/** A device for tests, with limits as high as they go, or why there is none. Where tools/vulkan.mjs found a driver there has to be one. */
export const testDevice = async (
  limits: readonly "maxBufferSize"[] = [],
): Promise<{ readonly device?: GPUDevice; readonly skipped?: string }> => {
  const adapter = await nodeGpu.requestAdapter().catch(() => null);
  if (adapter) {
    const features = (["shader-f16", "subgroups"] as const).filter((feature) => adapter.features.has(feature));
    const requiredLimits = Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]]));
    return { device: await adapter.requestDevice({ requiredFeatures: features, requiredLimits }) };
  }
  if (process.env["KVTUNER_VULKAN"]) throw new Error("expected an adapter of the driver in VK_ICD_FILENAMES, got none");
  return { skipped: "no Vulkan driver" };
};
