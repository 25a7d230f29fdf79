import { create } from "webgpu";
import { PLAIN } from "../kernels/variant.ts";
import { createWebGpuBackend, type WebGpuBackend } from "../webgpu-backend.ts";

/** Dawn's WebGPU. It must outlive everything created from it. */
export const nodeGpu: GPU = create([]);

/** A backend with a device of its own and the plain kernels. */
export const createNodeBackend = (): Promise<WebGpuBackend> => createWebGpuBackend({ gpu: nodeGpu, kernels: PLAIN });

/** The backend as users get it, with the kernels chosen for the adapter. */
export const createChosenNodeBackend = (): Promise<WebGpuBackend> => createWebGpuBackend({ gpu: nodeGpu });

/**
 * A device with the highest limits, or why there is none. Throws when tools/vulkan.mjs found a driver but there is no
 * adapter.
 */
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
