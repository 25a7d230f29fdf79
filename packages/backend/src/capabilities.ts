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
