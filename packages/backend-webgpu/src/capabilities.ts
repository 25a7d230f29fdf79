import { capabilitiesOf, type CacheLimits, type Capabilities, headSizesUpTo, type KernelRange } from "@kvtuner/backend";

/** Schemes that the kernels support: keys on both axes, values on axis token only. */
const KERNEL_RANGE: KernelRange = {
  bits: [2, 3, 4, 8],
  keyAxes: ["token", "channel"],
  valueAxes: ["token"],
  /** Channels come in units of 16. A workgroup has 64 lanes of four channels each; larger rows take whole rounds. */
  headSizes: [...headSizesUpTo(256), 512],
  deviceTensors: true,
  unevenLayers: true,
  attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true, valueSize: true },
};

/** More than any GPU has: a device reports its own limit by running out. */
export const MAX_CACHE_BYTES: number = 2 ** 40;

/** Positions are 32-bit numbers. */
export const MAX_TOKENS: number = 2 ** 24;

/** What the backend stores on any device, which need not be there; by default with the limits of none. */
export const webGpuCapabilities = (
  limits: CacheLimits = { maxTokens: MAX_TOKENS, maxCacheBytes: MAX_CACHE_BYTES },
): Capabilities => capabilitiesOf(KERNEL_RANGE, limits);
