import { type Backend, type CacheLimits, defineBackend, limitsWithin } from "@kvtuner/backend";
import { MAX_CACHE_BYTES, MAX_TOKENS, webGpuCapabilities } from "./capabilities.ts";
import type { KernelChoices } from "./choice/kernel-choices.ts";
import { chooseVariant } from "./choice/variant-choice.ts";
import type { GpuCounters } from "./device/counters.ts";
import { Engine } from "./device/engine.ts";
import { defaultGpu, type DeviceSource, findDevice } from "./device/request-device.ts";
import { assertKernels } from "./kernels/requested-kernels.ts";
import { PLAIN, type Variant, variantName } from "./kernels/variant.ts";
import { createStore } from "./store/webgpu-store.ts";

export interface WebGpuOptions extends DeviceSource {
  /** Most bytes of one cache; a terabyte by default and at most. */
  readonly maxCacheBytes?: number;
  /** Most tokens of one cache; 16777216 by default and at most. */
  readonly maxTokens?: number;
  /**
   * Options of the kernels, each off unless set here. By default the backend measures, once per device, which kernels are
   * fastest among those that agree on a small problem; software drivers get the plain kernels. Packed dot products are
   * tried only if `gpu` or `navigator.gpu` lists the WGSL feature.
   */
  readonly kernels?: Partial<Variant>;
  /** Stores the fastest kernels, so that the next process need not measure. */
  readonly choices?: KernelChoices;
}

/** The WebGPU backend, with its device, kernels and counters. */
export interface WebGpuBackend extends Backend {
  /** Calls accept tensors in buffers of this device. */
  readonly device: GPUDevice;
  /** "f32" or "f16", followed by those of "-subgroups", "-packed" and "-specialized" in use. */
  readonly kernels: string;
  /** Submits, downloads and allocations so far. */
  readonly counters: Readonly<GpuCounters>;
}

/**
 * The WebGPU backend, "webgpu": attention over packed caches on a GPU, in browsers and in Node with the package `webgpu`.
 * It stores 2, 3, 4, 8 and 16 bits, keys per token or per channel, values per token, each with or without the Hadamard
 * transform, and the codec `transform`, at head size 512 and multiples of 16 up to 256. Layers may have spans, capped scores and sink logits, differ
 * in size, and share caches. Values may have another size than keys.
 *
 * Query, key and value of a call are all on the CPU, or all in buffers of the backend's device with the usage COPY_SRC.
 * In the second case the output is on the device too, nothing is downloaded, and numbers are not checked. NaN, infinity
 * or a number out of float16's range then makes all outputs NaN; in keys or values, until the layer is truncated to 0
 * tokens. `dispose()` destroys the device only if it was created here.
 *
 * @throws LimitError for invalid limits
 * @throws KernelsError `BACKEND_KERNELS` for unknown kernels, or those that the device cannot run
 * @throws NoAdapterError `BACKEND_NO_ADAPTER` without WebGPU or an adapter
 * @throws DeviceLostError `BACKEND_DEVICE_LOST` from here and from all methods of its caches, once the device is lost
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
    capabilities: webGpuCapabilities(limits),
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
