import { type FieldFamily, headSizesUpTo, type KernelRange } from "@kvtuner/backend";
import { FORMATS } from "@kvtuner/plan";

/** All of the codec `transform`; values that turn by their positions would need a product with a matrix for each token. */
const { fields } = FORMATS.transform;
const TRANSFORM_KEYS: FieldFamily = { kind: "transform", fields };
const TRANSFORM_VALUES: FieldFamily = {
  kind: "transform",
  fields: { ...fields, stage: ["as-given"], frequencies: ["none"], pairing: ["none"] },
};

/** All of the codec `float8`. */
const FLOAT8: FieldFamily = { kind: "float8", fields: FORMATS.float8.fields };

/** Schemes that the kernels support: keys on both axes, values on axis token; the codecs `float8` and `transform`. */
export const KERNEL_RANGE: KernelRange = {
  bits: [1, 2, 3, 4, 5, 6, 8],
  keyAxes: ["token", "channel"],
  valueAxes: ["token"],
  clip: true,
  parameters: ["float16", "two-level"],
  signs: true,
  transforms: ["none", "hadamard", "asset"],
  keyFamilies: [FLOAT8, TRANSFORM_KEYS],
  valueFamilies: [FLOAT8, TRANSFORM_VALUES],
  /** Panels have 16 outputs. */
  headSizes: headSizesUpTo(512),
  unevenLayers: true,
  attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true, valueSize: true },
};

/** About ten memories of 4 GiB: engines reserve at least 8 GiB of addresses for each. */
export const MAX_CACHE_BYTES: number = 8 * 2 ** 32;

/** Positions are 32-bit numbers, and so are pointers to pages. */
export const MAX_TOKENS: number = 2 ** 24;
