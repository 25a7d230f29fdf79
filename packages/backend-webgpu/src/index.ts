export { webGpuCapabilities } from "./capabilities.ts";
export { DeviceLostError } from "./device/device-loss.ts";
export type { KernelChoices } from "./choice/kernel-choices.ts";
export type { Variant } from "./kernels/variant.ts";
export { createWebGpuBackend } from "./webgpu-backend.ts";
