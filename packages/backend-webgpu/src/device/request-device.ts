import { KvtunerError } from "@kvtuner/plan";

/** Source of the device: an existing one, an adapter, or WebGPU itself (`navigator.gpu`, or Dawn's in Node). */
export interface DeviceSource {
  readonly device?: GPUDevice;
  readonly adapter?: GPUAdapter;
  readonly gpu?: GPU;
}

/** A device; `isOwn` when it was created here and must be destroyed here. */
export interface FoundDevice {
  readonly device: GPUDevice;
  readonly isOwn: boolean;
}

/**
 * The given device, or a new one with the features and limits that the kernels use.
 *
 * @throws NoAdapterError `BACKEND_NO_ADAPTER` without WebGPU or an adapter
 */
export const findDevice = async ({ device, adapter, gpu = defaultGpu() }: DeviceSource): Promise<FoundDevice> => {
  if (device) return { device, isOwn: false };
  if (adapter) return { device: await requestDevice(adapter), isOwn: true };
  if (!gpu) throw new NoAdapterError("WebGPU", "none");
  const found = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch((cause: unknown) => {
    throw new NoAdapterError("an adapter", String(cause), { cause });
  });
  if (!found) throw new NoAdapterError("an adapter", "none");
  return { device: await requestDevice(found), isOwn: true };
};

/** WebGPU of the JavaScript engine, if it has any. */
export const defaultGpu = (): GPU | undefined => (globalThis.navigator as Navigator | undefined)?.gpu;

const FEATURES = ["shader-f16", "subgroups"] as const;

const requestDevice = async (adapter: GPUAdapter): Promise<GPUDevice> => {
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  try {
    return await adapter.requestDevice({
      requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
    });
  } catch (cause) {
    throw new NoAdapterError("a device of the adapter", String(cause), { cause });
  }
};

/** No device to run on. */
export class NoAdapterError extends KvtunerError {
  constructor(expected: string, got: string, options?: { readonly cause?: unknown }) {
    super(
      "BACKEND_NO_ADAPTER",
      `expected ${expected}, got ${got}; in Node pass gpu: create([]) of the package "webgpu", in a browser enable WebGPU, or choose another backend`,
      options,
    );
    this.name = "NoAdapterError";
  }
}
