import { type Backend, type CacheLimits, defineBackend, limitsWithin } from "@kvtuner/backend";
import { cudaCapabilities, MAX_TOKENS } from "./capabilities.ts";
import type { ImageOptions, KernelOrigin } from "./compiler/kernel-image.ts";
import type { DeviceDescription } from "./device/device.ts";
import { openDevice } from "./open-device.ts";
import { CudaStore } from "./store/cuda-store.ts";
import { withTensorCores } from "./store/tensor-core-check.ts";
import { createWorkspace, type Workspace } from "./store/workspace.ts";

export interface CudaOptions extends ImageOptions {
  /** Index of the GPU in the driver's order; 0 by default. */
  readonly device?: number;
  /** Path of the driver library; found by the system by default. */
  readonly driver?: string;
  /** Most bytes of one cache; the GPU's memory by default and at most. */
  readonly maxCacheBytes?: number;
  /** Most tokens of one cache; 4194304 by default and at most. */
  readonly maxTokens?: number;
  /**
   * Runs attention over codes on tensor cores, if a KV head has four rows or more (its query heads times the tokens of a
   * call). Off by default, because it has not run on a GPU yet. When a cache is created or retuned, its formats are
   * compared with the float32 kernels; a difference throws a CudaError `CUDA_TENSOR_CORES_WRONG`.
   */
  readonly tensorCores?: boolean;
}

/** The CUDA backend, with its GPU and the source of its kernels. */
export interface CudaBackend extends Backend {
  readonly device: DeviceDescription;
  readonly kernels: KernelOrigin;
}

/**
 * The CUDA backend, "cuda": packed caches on an NVIDIA GPU of architecture sm_80 or later, from Node. It stores 2, 3, 4,
 * 8 and 16 bits, keys per token or per channel, values per token, each with or without the Hadamard transform, and the codec `transform`, at head
 * sizes that are multiples of 16 up to 512. Its output differs from exact arithmetic by at most 1e-3 of the largest
 * number of the output.
 *
 * Tensors are on the CPU, because onnxruntime-node has no CUDA tensors. A call copies queries, keys and values to the
 * GPU, waits, and copies the output back; the cache stays on the GPU.
 *
 * @throws CudaError `CUDA_DRIVER_MISSING`, `CUDA_DRIVER_TOO_OLD`, `CUDA_DRIVER_STUB`, `CUDA_DRIVER_FAILED`,
 *   `CUDA_NO_DEVICE`, `CUDA_DEVICE_BUSY`, `CUDA_ARCHITECTURE`, `CUDA_KERNELS_UNKNOWN`, `CUDA_COMPILER_MISSING` or
 *   `CUDA_COMPILE_FAILED`
 * @throws LimitError for invalid limits
 */
export const createCudaBackend = async (options: CudaOptions = {}): Promise<CudaBackend> => {
  const { device, origin } = await openDevice(options);
  try {
    const most = { maxTokens: MAX_TOKENS, maxCacheBytes: device.description.memoryBytes };
    const workspace = createWorkspace(device);
    const limits = limitsWithin(most, options);
    return backendOn(options.tensorCores ? withTensorCores(workspace) : workspace, origin, limits);
  } catch (error) {
    device.dispose();
    throw error;
  }
};

const backendOn = (workspace: Workspace, kernels: KernelOrigin, limits: CacheLimits): CudaBackend => ({
  ...defineBackend({
    name: "cuda",
    capabilities: cudaCapabilities(limits),
    createStore: (plan, image) => (image ? CudaStore.restore(workspace, plan, image) : new CudaStore(workspace, plan)),
    dispose: () => workspace.device.dispose(),
  }),
  device: workspace.device.description,
  kernels,
});
