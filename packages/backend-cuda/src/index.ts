export type { ImageOptions, KernelOrigin } from "./compiler/kernel-image.ts";
export type { CudaBackend, CudaOptions } from "./cuda-backend.ts";
export { createCudaBackend } from "./cuda-backend.ts";
export { CudaError } from "./cuda-error.ts";
export type { DeviceDescription } from "./device/device.ts";
