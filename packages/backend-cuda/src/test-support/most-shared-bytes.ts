import { schemesOf } from "@kvtuner/backend";
import type { TensorScheme } from "@kvtuner/plan";
import { cudaCapabilities } from "../capabilities.ts";
import type { KernelName } from "../device/device.ts";
import { attendSharedBytes, fitsShared, reduceSharedBytes } from "../store/attend.ts";
import { decodeTransformSharedBytes } from "../store/decode-transform.ts";
import { decodeSharedBytes, encodeSharedBytes } from "../store/encode.ts";
import { TENSOR_HEAD_SIZE } from "../store/tensor-core-layouts.ts";
import { layoutOf, type TensorLayout } from "../store/tensor-layout.ts";

const CAPABILITIES = cudaCapabilities();
/** The codec `transform` needs what float16 does. */
const SCHEMES: readonly TensorScheme[] = CAPABILITIES.key
  .filter(({ kind }) => kind !== "transform")
  .flatMap((family) => schemesOf(family, 1));
const HEAD_SIZES = CAPABILITIES.headSizes as readonly number[];

const keyLayout = (headSize: number, key: TensorScheme): TensorLayout =>
  layoutOf({ key, value: key, residency: { kind: "prefix", sinks: 0, recent: 0 } }, "key", {
    queryHeads: 1,
    kvHeads: 1,
    headSize,
  });

/** Most shared memory of attention over all formats of keys, at some head sizes. More rows than one run where they fit. */
const mostAttendBytes = (rows: number, headSizes: readonly number[]): number => {
  const layouts = headSizes.flatMap((headSize) => SCHEMES.map((key) => keyLayout(headSize, key)));
  const used = layouts.filter((layout) => rows === 1 || fitsShared(rows, layout));
  return Math.max(...used.map((layout) => attendSharedBytes(rows, layout)));
};

const tensorSizes = (headSizes: readonly number[]): number[] => headSizes.filter((size) => size <= TENSOR_HEAD_SIZE);

/** Most bytes of shared memory that a launch of each kernel requests, at some head sizes or all supported ones. */
export const mostSharedBytes = (headSizes: readonly number[] = HEAD_SIZES): Readonly<Record<KernelName, number>> => ({
  append_rows: 0,
  encode_rows: encodeSharedBytes(Math.max(...headSizes)),
  encode_groups: encodeSharedBytes(Math.max(...headSizes)),
  attend_1_row: mostAttendBytes(1, headSizes),
  attend_4_rows: mostAttendBytes(4, headSizes),
  attend_8_rows: mostAttendBytes(8, headSizes),
  attend_8_rows_on_tensor_cores: mostAttendBytes(8, tensorSizes(headSizes)),
  reduce_splits: reduceSharedBytes(Math.max(...headSizes)),
  decode_rows: decodeSharedBytes(Math.max(...headSizes)),
  import_codes: 0,
  export_codes: 0,
  copy_parameters: 0,
  copy_exact: 0,
  decode_transform: decodeTransformSharedBytes(Math.max(...headSizes)),
});
