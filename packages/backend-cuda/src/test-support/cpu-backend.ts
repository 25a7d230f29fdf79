import type { CacheLimits } from "@kvtuner/backend";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";
import { compileDriver } from "./compile-driver.ts";

/** The same with attention on tensor cores. */
export const createTensorCoreBackendOnCpu = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx", tensorCores: true });

/** The CUDA backend over a driver on the CPU, which has no use for the kernels' image. */
export const createCudaBackendOnCpu = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx" });
