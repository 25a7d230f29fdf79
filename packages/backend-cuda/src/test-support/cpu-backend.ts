import type { CacheLimits } from "@kvtuner/backend";
import { createCudaBackend, type CudaBackend } from "../cuda-backend.ts";
import { compileDriver } from "./compile-driver.ts";
import { withoutTransform } from "./without-transform.ts";

/** The CUDA backend on the CPU, with attention on tensor cores, which the codec `transform` does not use. */
export const createTensorCoreBackendOnCpu = async (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  withoutTransform(await createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx", tensorCores: true }));

/** The same without the codec `transform`, and without tensor cores. */
export const createAffineBackendOnCpu = async (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  withoutTransform(await createCudaBackendOnCpu(limits));

/** The CUDA backend on the CPU, whose driver ignores the kernels' image. */
export const createCudaBackendOnCpu = (limits: Partial<CacheLimits> = {}): Promise<CudaBackend> =>
  createCudaBackend({ ...limits, driver: compileDriver(), kernels: "ptx" });
