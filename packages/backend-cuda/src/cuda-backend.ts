import {
  assertAlive,
  assertFits,
  assertPlanSupported,
  type Backend,
  type CacheOwner,
  type CachePlan,
  type Capabilities,
  type KvCache,
  limitsWithin,
  readSnapshot,
  StoredCache,
} from "@kvtuner/backend";
import { type CacheShape, planBytes } from "@kvtuner/plan";
import { KERNEL_CAPABILITIES, MAX_TOKENS } from "./capabilities.ts";
import type { ImageOptions, KernelOrigin } from "./compiler/kernel-image.ts";
import type { DeviceDescription } from "./device/device.ts";
import { openDevice } from "./driver/open-device.ts";
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
    const capabilities = { ...KERNEL_CAPABILITIES, ...limitsWithin(most, options) };
    return new DeviceBackend(options.tensorCores ? withTensorCores(workspace) : workspace, origin, capabilities);
  } catch (error) {
    device.dispose();
    throw error;
  }
};

class DeviceBackend implements CudaBackend, CacheOwner {
  readonly specVersion = 1;
  readonly name = "cuda";
  readonly capabilities: Capabilities;
  readonly kernels: KernelOrigin;
  readonly #workspace: Workspace;
  disposed = false;

  constructor(workspace: Workspace, kernels: KernelOrigin, capabilities: Capabilities) {
    this.#workspace = workspace;
    this.kernels = kernels;
    this.capabilities = capabilities;
  }

  get device(): DeviceDescription {
    return this.#workspace.device.description;
  }

  async createCache(shape: CacheShape, plan: CachePlan): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    return new StoredCache(this, plan, new CudaStore(this.#workspace, plan));
  }

  async restoreCache(shape: CacheShape, plan: CachePlan, snapshot: Uint8Array): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    const image = await readSnapshot(snapshot, shape, plan);
    assertAlive(this.disposed, "backend"); // it may have been disposed of in the meantime
    assertFits(image.length, planBytes(plan, image.length).total, this.capabilities);
    return new StoredCache(this, plan, CudaStore.restore(this.#workspace, plan, image));
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    this.#workspace.device.dispose();
  }

  #assertSupported(shape: CacheShape, plan: CachePlan): void {
    assertAlive(this.disposed, "backend");
    assertPlanSupported(this.name, this.capabilities, shape, plan);
  }
}
