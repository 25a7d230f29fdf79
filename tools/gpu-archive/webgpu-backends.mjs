// WebGPU backends of this machine, for laws here and in another process.
import { nodeGpu } from "../../packages/backend-webgpu/src/test-support/node-gpu.ts";
import { createWebGpuBackend } from "../../packages/backend-webgpu/src/webgpu-backend.ts";

const backendWith = (options) => (limits) => createWebGpuBackend({ gpu: nodeGpu, ...options, ...limits });

export const createPlainBackend = backendWith({ kernels: {} });

export const createChosenBackend = backendWith({});

export const createFloat16Backend = backendWith({ kernels: { float16: true, subgroups: true } });

export const createPackedBackend = backendWith({ kernels: { packed: true } });
