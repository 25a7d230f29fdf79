import { headSizesUpTo, type KernelRange } from "@kvtuner/backend";

/** Schemes that the kernels support: keys on both axes, values on axis token. */
export const KERNEL_RANGE: KernelRange = {
  bits: [1, 2, 3, 4, 5, 6, 8],
  keyAxes: ["token", "channel"],
  valueAxes: ["token"],
  /** Panels have 16 outputs. */
  headSizes: headSizesUpTo(512),
  unevenLayers: true,
  attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true, valueSize: true },
};

/** About ten memories of 4 GiB: engines reserve at least 8 GiB of addresses for each. */
export const MAX_CACHE_BYTES: number = 8 * 2 ** 32;

/** Positions are 32-bit numbers, and so are pointers to pages. */
export const MAX_TOKENS: number = 2 ** 24;
