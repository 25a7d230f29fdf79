import type { Axis, Bits, Format, GroupSize, Transform } from "@kvtuner/plan";

/** Schemes that a backend can store: every combination of what is listed. Of a 16-bit scheme only the bits count. */
export interface SchemeFamily {
  readonly bits: readonly Bits[];
  readonly formats: readonly Format[];
  readonly axis: Axis;
  readonly groupSizes: readonly GroupSize[];
  readonly transforms: readonly Transform[];
}

/** What a backend can hold; anything else is refused at `createCache`. */
export interface Capabilities {
  /** A scheme is supported when one family has it. */
  readonly key: readonly SchemeFamily[];
  readonly value: readonly SchemeFamily[];
  /** Head sizes, or `"any"`. */
  readonly headSizes: readonly number[] | "any";
  readonly maxCacheBytes: number;
  /** The most tokens of one cache. */
  readonly maxTokens: number;
  /** True when query, key, value and output may live in device buffers. */
  readonly deviceTensors: boolean;
}

/** Limits of one cache. */
export type CacheLimits = Pick<Capabilities, "maxTokens" | "maxCacheBytes">;

/** How the capabilities of one set of kernels differ from another's. */
export interface KernelRange {
  readonly bits: readonly Bits[];
  readonly keyAxes: readonly Axis[];
  readonly valueAxes: readonly Axis[];
  readonly headSizes: readonly number[] | "any";
  /** False by default. */
  readonly deviceTensors?: boolean;
}

/**
 * Capabilities of kernels that store every format, every transform and every group size of the axes they know: groups of 16,
 * 32, 64 and 128 numbers, and the whole head on axis token.
 */
export const capabilitiesOf = (
  { bits, keyAxes, valueAxes, headSizes, deviceTensors = false }: KernelRange,
  { maxTokens, maxCacheBytes }: CacheLimits,
): Capabilities => ({
  key: keyAxes.map((axis) => familyOf(axis, bits)),
  value: valueAxes.map((axis) => familyOf(axis, bits)),
  headSizes,
  maxCacheBytes,
  maxTokens,
  deviceTensors,
});

const familyOf = (axis: Axis, bits: readonly Bits[]): SchemeFamily => ({
  bits,
  formats: ["affine", "symmetric"],
  axis,
  groupSizes: axis === "token" ? ["head", 16, 32, 64, 128] : [16, 32, 64, 128],
  transforms: ["none", "hadamard"],
});

/** Head sizes of kernels that take channels in units of 16: the multiples of 16 up to `largest`. */
export const headSizesUpTo = (largest: number): readonly number[] =>
  Array.from({ length: Math.floor(largest / 16) }, (_, index) => 16 * (index + 1));
