import { type Backend, capabilitiesOf, type CacheLimits, defineBackend, limitsWithin } from "@kvtuner/backend";
import { KERNEL_RANGE, MAX_CACHE_BYTES, MAX_TOKENS } from "./capabilities.ts";
import type { KernelChoices } from "./choice/kernel-choices.ts";
import { chooseVariant } from "./choice/variant-choice.ts";
import type { GpuCounters } from "./device/counters.ts";
import { Engine } from "./device/engine.ts";
import { defaultGpu, type DeviceSource, findDevice } from "./device/request-device.ts";
import { assertKernels } from "./kernels/asked-kernels.ts";
import { PLAIN, type Variant, variantName } from "./kernels/variant.ts";
import { createStore } from "./store/webgpu-store.ts";

/** Source of the device, limits, and kernels to use. */
export interface WebGpuOptions extends DeviceSource {
  /** The most bytes that one cache may take; a terabyte without it, and never more. */
  readonly maxCacheBytes?: number;
  /** The most tokens of one cache; 16777216 without it, and never more. */
  readonly maxTokens?: number;
  /**
   * The kernels: those that run anywhere, with what is set here. Without it, the fastest of those that give the same on a small
   * problem, which is measured once for a device, and on drivers in software those that run anywhere. Packed dot products
   * are among them where `gpu` or `navigator.gpu` says that its shaders have them.
   */
  readonly kernels?: Partial<Variant>;
  /** Storage of the fastest kernels, so that the next process need not measure. */
  readonly choices?: KernelChoices;
}

/** The WebGPU backend tells its device, which of its kernels run, and what it has done. */
export interface WebGpuBackend extends Backend {
  /** Tensors in buffers of this device can be attended with. */
  readonly device: GPUDevice;
  /** "f32" or "f16", with "-subgroups", "-packed" and "-specialized" behind it where they are used. */
  readonly kernels: string;
  /** Submits, read-backs, allocations so far. */
  readonly counters: Readonly<GpuCounters>;
}

/**
 * The WebGPU backend, "webgpu": attention over packed caches on a GPU, in browsers and in Node with the package `webgpu`. It
 * stores 2, 3, 4, 8 and 16 bits, keys per token or per channel, values per token, each with or without the Hadamard
 * transform, at head sizes that are multiples of 16 up to 256.
 *
 * Query, key and value of a call are all on the CPU, or all in buffers of the backend's device that have the usage COPY_SRC;
 * then the output is in one too, nothing is read back, and numbers are not refused: of NaN, infinity and what float16 does not
 * hold, all outputs become NaN, of that layer on until it is truncated to nothing. A device that was made here is destroyed by `dispose()`; one that was passed in is not.
 *
 * @throws LimitError for limits that are none
 * @throws KernelsError `BACKEND_KERNELS` for kernels that there are not, or that the device cannot run
 * @throws NoAdapterError `BACKEND_NO_ADAPTER` where there is no WebGPU, or no adapter
 * @throws DeviceLostError `BACKEND_DEVICE_LOST` from here and from all that its caches do, once the device is gone
 */
export const createWebGpuBackend = async (options: WebGpuOptions = {}): Promise<WebGpuBackend> => {
  const limits = limitsWithin({ maxTokens: MAX_TOKENS, maxCacheBytes: MAX_CACHE_BYTES }, options);
  const { device, isOwn } = await findDevice(options);
  try {
    const variant = await kernelsOf(device, options);
    return backendOn(new Engine(device, variant, limits.maxTokens), isOwn, limits);
  } catch (error) {
    if (isOwn) device.destroy();
    throw error;
  }
};

/** The kernels that are asked for, or else the fastest. */
const kernelsOf = async (
  device: GPUDevice,
  { gpu = defaultGpu(), kernels, choices }: WebGpuOptions,
): Promise<Variant> => {
  const languageFeatures = gpu?.wgslLanguageFeatures;
  if (!kernels) return chooseVariant(device, { languageFeatures, choices });
  assertKernels(kernels, device, languageFeatures);
  return { ...PLAIN, ...kernels };
};

const backendOn = (engine: Engine, isOwnDevice: boolean, limits: CacheLimits): WebGpuBackend => ({
  ...defineBackend({
    name: "webgpu",
    capabilities: capabilitiesOf(KERNEL_RANGE, limits),
    createStore: (plan, image) => createStore(engine, plan, image),
    assertUsable: () => engine.loss.assertThere(),
    dispose: () => {
      engine.dispose();
      if (isOwnDevice) engine.device.destroy();
    },
  }),
  device: engine.device,
  kernels: variantName(engine.variant),
  counters: engine.counters,
});
