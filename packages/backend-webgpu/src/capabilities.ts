import {
  capabilitiesOf,
  type CacheLimits,
  type Capabilities,
  type FieldFamily,
  headSizesUpTo,
  type KernelRange,
} from "@kvtuner/backend";
import { FORMATS } from "@kvtuner/plan";

/** All of the codec `transform`; values that turn by their positions would need a product with a matrix for each token. */
const { fields } = FORMATS.transform;
const TRANSFORM_KEYS: FieldFamily = { kind: "transform", fields };
const TRANSFORM_VALUES: FieldFamily = {
  kind: "transform",
  fields: { ...fields, stage: ["as-given"], frequencies: ["none"], pairing: ["none"] },
};

/** Schemes that the kernels support: keys on both axes, values on axis token; the codec `transform`. */
const KERNEL_RANGE: KernelRange = {
  bits: [2, 3, 4, 8],
  keyAxes: ["token", "channel"],
  valueAxes: ["token"],
  keyFamilies: [TRANSFORM_KEYS],
  valueFamilies: [TRANSFORM_VALUES],
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
