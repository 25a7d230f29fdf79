import {
  capabilitiesOf,
  type CacheLimits,
  type Capabilities,
  type FieldFamily,
  headSizesUpTo,
  type KernelRange,
} from "@kvtuner/backend";
import { FORMATS } from "@kvtuner/plan";

/** All of the codec `transform`. */
const TRANSFORM: FieldFamily = { kind: "transform", fields: FORMATS.transform.fields };

/** Schemes that the kernels support: keys on both axes, values on axis token only; the codec `transform`. */
const KERNEL_RANGE: KernelRange = {
  bits: [2, 3, 4, 8],
  keyAxes: ["token", "channel"],
  valueAxes: ["token"],
  keyFamilies: [TRANSFORM],
  valueFamilies: [TRANSFORM],
  /** A chunk has 16 channels, and 128 threads have an octet each of up to 1024; the kernels are tested up to 512. */
  headSizes: headSizesUpTo(512),
  unevenLayers: true,
  attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true, valueSize: true },
};

/** Positions and offsets within one head are 32-bit numbers. */
export const MAX_TOKENS: number = 2 ** 22;

/** What the backend stores on any device, which need not be there; by default on one with any memory. */
export const cudaCapabilities = (
  limits: CacheLimits = { maxTokens: MAX_TOKENS, maxCacheBytes: Number.MAX_SAFE_INTEGER },
): Capabilities => capabilitiesOf(KERNEL_RANGE, limits);
