import {
  type Axis,
  type Bits,
  type CodecKind,
  type FieldValues,
  FLOAT16,
  type Float16Scheme,
  type Format,
  type GroupSize,
  type ParameterForm,
  type Transform,
} from "@kvtuner/plan";

/** Affine schemes that a backend can store: every combination of the listed values, in blocks of any size. */
export interface AffineFamily {
  readonly kind: "affine";
  readonly bits: readonly Bits[];
  readonly formats: readonly Format[];
  readonly axis: Axis;
  readonly groupSizes: readonly GroupSize[];
  /** `"asset"` stands for rotations by a table of the plan. */
  readonly transforms: readonly Transform[];
  /** Whether schemes may clip; false by default. */
  readonly clip?: boolean;
  /** How parameters may be stored; in float16 by default. */
  readonly parameters?: readonly ParameterForm[];
  /** Whether the Hadamard transform may have signs; false by default. */
  readonly signs?: boolean;
}

/** Schemes of any other codec that a backend can store: values by field, as in the codec's format. */
export interface FieldFamily {
  readonly kind: Exclude<CodecKind, "float16" | "affine">;
  readonly fields: Readonly<Record<string, FieldValues>>;
}

/** Schemes of one codec that a backend can store. */
export type SchemeFamily = AffineFamily | Float16Scheme | FieldFamily;

/** What a backend can store; `createCache` rejects anything else. */
export interface Capabilities {
  /** A scheme is supported if one family has it. */
  readonly key: readonly SchemeFamily[];
  readonly value: readonly SchemeFamily[];
  /** Head sizes, or `"any"`. */
  readonly headSizes: readonly number[] | "any";
  readonly maxCacheBytes: number;
  /** Maximum tokens of one cache. */
  readonly maxTokens: number;
  /** Whether query, key, value and output may be in device buffers. */
  readonly deviceTensors: boolean;
  /** Whether layers may differ in query heads, KV heads and head size; false by default. */
  readonly unevenLayers?: boolean;
  /** Features beyond causal attention with any scale; none by default. */
  readonly attention?: AttentionFeatures;
}

/** Features of attention; see `AttentionSpec` of `@kvtuner/plan`. */
export interface AttentionFeatures {
  readonly sliding: boolean;
  readonly softcap: boolean;
  readonly sinkLogits: boolean;
  /** Layers that read the cache of another layer; false by default. */
  readonly sharedCaches?: boolean;
  /** Values of another size than keys; false by default. */
  readonly valueSize?: boolean;
}

/** Limits of one cache. */
export type CacheLimits = Pick<Capabilities, "maxTokens" | "maxCacheBytes">;

/** Differences between the capabilities of sets of kernels. */
export interface KernelRange {
  /** Widths of affine codes. */
  readonly bits: readonly Bits[];
  readonly keyAxes: readonly Axis[];
  readonly valueAxes: readonly Axis[];
  readonly headSizes: readonly number[] | "any";
  /** As in affine families. */
  readonly clip?: boolean;
  readonly parameters?: readonly ParameterForm[];
  readonly signs?: boolean;
  /** None and Hadamard by default. */
  readonly transforms?: readonly Transform[];
  /**
   * What the kernels store of other codecs, none by default. A family lists the values of each field that the kernels know: some or
   * all of those in the codec's format. `"asset"` stands for any table that the format accepts, so kernels take all its shapes.
   */
  readonly keyFamilies?: readonly FieldFamily[];
  readonly valueFamilies?: readonly FieldFamily[];
  /** False by default. */
  readonly deviceTensors?: boolean;
  /** False by default. */
  readonly unevenLayers?: boolean;
  /** Causal attention alone by default. */
  readonly attention?: AttentionFeatures;
}

/**
 * Capabilities of kernels that store float16, affine codes and the listed families of other codecs. Affine codes have every format and
 * group size of the axes they know: groups of 16, 32, 64 and 128 numbers, and the whole head on axis token.
 */
export const capabilitiesOf = (
  {
    keyAxes,
    valueAxes,
    keyFamilies = [],
    valueFamilies = [],
    headSizes,
    deviceTensors = false,
    unevenLayers,
    attention,
    ...codes
  }: KernelRange,
  { maxTokens, maxCacheBytes }: CacheLimits,
): Capabilities => ({
  key: [FLOAT16, ...keyAxes.map((axis) => familyOf(axis, codes)), ...keyFamilies],
  value: [FLOAT16, ...valueAxes.map((axis) => familyOf(axis, codes)), ...valueFamilies],
  headSizes,
  maxCacheBytes,
  maxTokens,
  deviceTensors,
  ...(unevenLayers && { unevenLayers }),
  ...(attention && { attention }),
});

type CodeRange = Pick<KernelRange, "bits" | "clip" | "parameters" | "signs" | "transforms">;

const familyOf = (axis: Axis, codes: CodeRange): AffineFamily => ({
  kind: "affine",
  transforms: ["none", "hadamard"],
  ...codes,
  formats: ["affine", "symmetric"],
  axis,
  groupSizes: axis === "token" ? ["head", 16, 32, 64, 128] : [16, 32, 64, 128],
});

/** Head sizes of kernels that work on 16 channels at a time: the multiples of 16 up to `largest`. */
export const headSizesUpTo = (largest: number): readonly number[] =>
  Array.from({ length: Math.floor(largest / 16) }, (_, index) => 16 * (index + 1));
