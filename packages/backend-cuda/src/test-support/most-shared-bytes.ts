import { capabilitiesOf, schemesOf } from "@kvtuner/backend";
import type { TensorScheme } from "@kvtuner/plan";
import { KERNEL_RANGE, MAX_TOKENS } from "../capabilities.ts";
import type { KernelName } from "../device/device.ts";
import { attendSharedBytes, reduceSharedBytes } from "../store/attend.ts";
import { decodeSharedBytes, encodeSharedBytes } from "../store/encode.ts";
import { layoutOf } from "../store/tensor-layout.ts";

const CAPABILITIES = capabilitiesOf(KERNEL_RANGE, { maxTokens: MAX_TOKENS, maxCacheBytes: Infinity });
const SCHEMES: readonly TensorScheme[] = CAPABILITIES.key.flatMap((family) => schemesOf(family, 1));
const HEAD_SIZES = CAPABILITIES.headSizes as readonly number[];

const attendBytes = (rows: number, headSize: number, key: TensorScheme): number => {
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize };
  return attendSharedBytes(
    rows,
    layoutOf({ key, value: key, residency: { kind: "prefix", sinks: 0, recent: 0 } }, "key", shape),
  );
};

/** Most shared memory of attention over all formats of keys, at some head sizes. */
const mostAttendBytes = (rows: number, headSizes: readonly number[]): number =>
  Math.max(...headSizes.flatMap((headSize) => SCHEMES.map((key) => attendBytes(rows, headSize, key))));

/** Most bytes of shared memory that a launch of each kernel requests, at some head sizes or all supported ones. */
export const mostSharedBytes = (headSizes: readonly number[] = HEAD_SIZES): Readonly<Record<KernelName, number>> => ({
  append_rows: 0,
  encode_rows: encodeSharedBytes(Math.max(...headSizes)),
  encode_groups: encodeSharedBytes(Math.max(...headSizes)),
  attend_1_row: mostAttendBytes(1, headSizes),
  attend_4_rows: mostAttendBytes(4, headSizes),
  attend_8_rows: mostAttendBytes(8, headSizes),
  attend_8_rows_on_tensor_cores: mostAttendBytes(8, headSizes),
  reduce_splits: reduceSharedBytes(Math.max(...headSizes)),
  decode_rows: decodeSharedBytes(Math.max(...headSizes)),
  import_codes: 0,
  export_codes: 0,
  copy_parameters: 0,
  copy_exact: 0,
});
