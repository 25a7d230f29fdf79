export type { GpuCounters } from "./device/counters.ts";
export { DeviceLostError } from "./device/device-loss.ts";
export { KernelError } from "./device/kernel-library.ts";
export type { DeviceSource } from "./device/request-device.ts";
export { NoAdapterError } from "./device/request-device.ts";
export type { KernelChoices } from "./kernels/kernel-choices.ts";
export type { Variant } from "./kernels/variant.ts";
export type { WebGpuBackend, WebGpuOptions } from "./webgpu-backend.ts";
export { createWebGpuBackend } from "./webgpu-backend.ts";
