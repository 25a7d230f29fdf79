import type { CacheLimits } from "@kvtuner/backend";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";

/** Index of the GPU to test: `KVTUNER_CUDA_DEVICE`, or the first. */
const device = Number(process.env["KVTUNER_CUDA_DEVICE"] ?? 0);

/** The backend on this machine's GPU. */
export const createGpuBackend = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, device });

/** The same with attention on tensor cores. */
export const createTensorCoreGpuBackend = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, device, tensorCores: true });
