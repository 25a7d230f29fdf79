import { join } from "node:path";
import type { Backend, Capabilities } from "@kvtuner/backend";
import type * as CudaPackage from "@kvtuner/backend-cuda";
import type * as WebGpuPackage from "@kvtuner/backend-webgpu";
import { KvtunerError } from "@kvtuner/plan";
import { findGpu, isSoftwareAdapter } from "./gpu.ts";
import { kvtunerHome } from "./home.ts";
import { installedPackage } from "./installed-package.ts";
import { kernelChoicesFile } from "./kernel-choices-file.ts";

/** Packages that keep caches on a GPU. */
interface GpuPackages {
  readonly "@kvtuner/backend-webgpu": typeof WebGpuPackage;
  readonly "@kvtuner/backend-cuda": typeof CudaPackage;
}

/**
 * The backend "webgpu", on this engine's WebGPU or on the package `webgpu`.
 *
 * @throws BackendMissingError `BACKEND_MISSING` if a package is missing; and the backend's own error, with advice for the
 *   command line, if there is no adapter
 */
export const openWebGpuBackend = async (): Promise<Backend> => {
  const { createWebGpuBackend } = await load("@kvtuner/backend-webgpu", "webgpu");
  const found = await findGpu();
  if (found === undefined) throw new BackendMissingError("webgpu", "webgpu");
  // The backend asks again, and reports what is wrong.
  const adapter = await found.gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  const choices = kernelChoicesFile(join(kvtunerHome(), "webgpu-kernels.json"));
  const kernels = adapter && isSoftwareAdapter(adapter) && { kernels: KERNELS_OF_SOFTWARE };
  return createWebGpuBackend({ gpu: found.gpu, choices, ...kernels }).catch(adviseOnAdapter);
};

/** The package's own advice is for programs that pass WebGPU in, not for --backend. */
const adviseOnAdapter = (error: unknown): never => {
  if (KvtunerError.isInstance(error) && error.code === "BACKEND_NO_ADAPTER") throw new AdapterError(error);
  throw error;
};

/** With a software driver, compiling and timing all kernels takes minutes. */
const KERNELS_OF_SOFTWARE: Partial<WebGpuPackage.Variant> = {};

/**
 * The backend "cuda".
 *
 * @throws BackendMissingError `BACKEND_MISSING` if its package is missing; and the backend's own error if there is no driver
 *   or no device
 */
export const openCudaBackend = async (): Promise<CudaPackage.CudaBackend> => {
  const { createCudaBackend } = await load("@kvtuner/backend-cuda", "cuda");
  return createCudaBackend();
};

/** What a backend on a GPU stores; needs its package, but no GPU. Undefined for a backend that is on none. */
export const gpuCapabilities = async (name: string): Promise<Capabilities | undefined> => {
  if (name === "webgpu") return (await load("@kvtuner/backend-webgpu", name)).webGpuCapabilities();
  return name === "cuda" ? (await load("@kvtuner/backend-cuda", name)).cudaCapabilities() : undefined;
};

/** Not dependencies, because most machines cannot use them. */
const load = async <Name extends keyof GpuPackages>(name: Name, backend: string): Promise<GpuPackages[Name]> => {
  if (installedPackage(name) === undefined) throw new BackendMissingError(name, backend);
  return (await import(name)) as GpuPackages[Name];
};

/** WebGPU has no adapter or device. */
class AdapterError extends KvtunerError {
  constructor(cause: KvtunerError) {
    const got = cause.cause instanceof Error ? cause.cause.message : "none";
    super(
      cause.code,
      `expected a WebGPU adapter and device for --backend webgpu, got ${got}; install the GPU's driver (on Linux one for Vulkan), or choose another --backend; \`kvtuner doctor\` lists what this machine has`,
      { cause },
    );
    this.name = "AdapterError";
  }
}

/** The requested backend is not installed. */
export class BackendMissingError extends KvtunerError {
  constructor(packageName: string, backend: string) {
    super(
      "BACKEND_MISSING",
      `--backend ${backend} needs the package ${packageName}, which is not installed; run \`npm install ${packageName}\` where kvtuner is installed, and \`kvtuner doctor\` to see what this machine has`,
    );
    this.name = "BackendMissingError";
  }
}
