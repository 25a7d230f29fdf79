import type { Axis, Bits, Format, GroupSize, Transform } from "@kvtuner/plan";

/** What a backend can hold; anything else is refused at `createCache`. */
export interface Capabilities {
  readonly bits: readonly Bits[];
  readonly formats: readonly Format[];
  readonly axes: readonly Axis[];
  readonly groupSizes: readonly GroupSize[];
  readonly transforms: readonly Transform[];
  readonly headSizes: readonly number[];
  readonly maxCacheBytes: number;
  /** True when query, key, value and output may live in device buffers. */
  readonly deviceTensors: boolean;
}
