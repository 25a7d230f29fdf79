import type { CacheLimits } from "@kvtuner/backend";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";
import { compileDriver } from "./compile-driver.ts";

/** The CUDA backend on the CPU, with attention on tensor cores. */
export const createTensorCoreBackendOnCpu = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx", tensorCores: true });

/** The CUDA backend on the CPU, whose driver ignores the kernels' image. */
export const createCudaBackendOnCpu = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx" });
