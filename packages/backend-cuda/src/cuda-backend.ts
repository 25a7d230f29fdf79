import { type Backend, type CacheLimits, capabilitiesOf, defineBackend, limitsWithin } from "@kvtuner/backend";
import { KERNEL_RANGE, MAX_TOKENS } from "./capabilities.ts";
import type { ImageOptions, KernelOrigin } from "./compiler/kernel-image.ts";
import type { DeviceDescription } from "./device/device.ts";
import { openDevice } from "./open-device.ts";
import { CudaStore } from "./store/cuda-store.ts";
import { withTensorCores } from "./store/tensor-core-check.ts";
import { createWorkspace, type Workspace } from "./store/workspace.ts";

/** Which GPU, its kernels, and limits. */
export interface CudaOptions extends ImageOptions {
  /** Index of the GPU, as the driver counts them; 0 without it. */
  readonly device?: number;
  /** Path of the driver library; without it, where the system finds it. */
  readonly driver?: string;
  /** The most bytes that one cache may take; without it, and at most, the GPU's memory. */
  readonly maxCacheBytes?: number;
  /** The most tokens of one cache; 4194304 without it, and never more. */
  readonly maxTokens?: number;
  /**
   * Attention over codes on tensor cores, for four rows and more of a KV head: query heads times tokens of a call. Off without
   * it, for it has not run on a GPU yet. What a plan needs of it is held against the kernels in float32 when a cache is made or
   * retuned, which throws a CudaError `CUDA_TENSOR_CORES_WRONG` where it is wrong.
   */
  readonly tensorCores?: boolean;
}

/** The CUDA backend says which GPU it is on, and where its kernels come from. */
export interface CudaBackend extends Backend {
  readonly device: DeviceDescription;
  readonly kernels: KernelOrigin;
}

/**
 * The CUDA backend, "cuda": packed caches on an NVIDIA GPU of architecture sm_80 or later, from Node. It stores 2, 3, 4, 8 and
 * 16 bits, keys per token or per channel, values per token, each with or without the Hadamard transform, at head sizes that are
 * multiples of 16 up to 256. Its output differs from exact arithmetic by at most 1e-3 of the largest number of the output.
 *
 * Tensors are on the CPU: onnxruntime-node hands out no CUDA tensors. A call copies queries, keys and values to the GPU and the
 * output back, and waits for it; the cache stays on the GPU.
 *
 * @throws CudaError `CUDA_DRIVER_MISSING`, `CUDA_DRIVER_TOO_OLD`, `CUDA_DRIVER_STUB`, `CUDA_DRIVER_FAILED`, `CUDA_NO_DEVICE`,
 *   `CUDA_DEVICE_BUSY`, `CUDA_ARCHITECTURE`, `CUDA_KERNELS_UNKNOWN`, `CUDA_COMPILER_MISSING` or `CUDA_COMPILE_FAILED`
 * @throws LimitError for limits that are none
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
    capabilities: capabilitiesOf(KERNEL_RANGE, limits),
    createStore: (plan, image) => (image ? CudaStore.restore(workspace, plan, image) : new CudaStore(workspace, plan)),
    dispose: () => workspace.device.dispose(),
  }),
  device: workspace.device.description,
  kernels,
});
