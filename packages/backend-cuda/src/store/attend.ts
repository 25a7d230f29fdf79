import { type AttentionSpec, type LayerShape, spanOf } from "@kvtuner/plan";
import { MAX_TOKENS } from "../capabilities.ts";
import type { KernelName } from "../device/device.ts";
import { ArgumentWriter } from "./argument-writer.ts";
import { decodeForAttention } from "./decode-transform.ts";
import type { Decoded, PackedTensor } from "./packed-tensor.ts";
import { SinkLogits } from "./sink-logits.ts";
import { codedEnds, splitContext, type Splits } from "./splits.ts";
import { runsOnTensorCores } from "./tensor-core-layouts.ts";
import { CODE_PAGE_TOKENS, type TensorLayout } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Same as in kernels/attention-block.cuh. */
const THREADS = 128;
const WARPS = 4;
const OCTET = 8;

/** The segment whose keys and values are both codes; same as in kernels/segments.cuh. */
const CODED_SEGMENT = 1;
const NONE = -1;

/** Most tokens of one launch, to limit the memory for partial sums; same as in kernels/attention-block.cuh. */
export const LAUNCH_TOKENS = 256;

/** How a layer attends. Its cache may be that of another layer. */
export interface AttendingLayer {
  readonly shape: LayerShape;
  readonly spec: AttentionSpec;
  readonly sinkLogits: SinkLogits;
}

/** With keys and values, which already hold the tokens of the call. */
export interface AttendedLayer extends AttendingLayer {
  readonly key: PackedTensor;
  readonly value: PackedTensor;
}

export const attendingLayer = ({ device }: Workspace, shape: LayerShape, spec: AttentionSpec): AttendingLayer => ({
  shape,
  spec,
  sinkLogits: new SinkLogits(device, spec.sinkLogits),
});

/** Queries and outputs on the device. */
export interface Queries {
  /** float32 `[tokens, queryHeads * headSize]` */
  readonly query: number;
  /** float32 `[tokens, queryHeads * valueSize]` */
  readonly output: number;
  readonly tokens: number;
  /** Tokens in the layer before the call. */
  readonly before: number;
}

/** Causal attention of new tokens, in launches of up to LAUNCH_TOKENS. */
export const attend = (workspace: Workspace, layer: AttendedLayer, queries: Queries): void => {
  const { queryHeads, headSize, valueSize = headSize } = layer.shape;
  const lengths = { shortest: queries.before + 1, longest: queries.before + queries.tokens, span: spanOf(layer.spec) };
  const decoded = {
    key: decodeForAttention(workspace, layer.key, "decodedKeys", lengths),
    value: decodeForAttention(workspace, layer.value, "decodedValues", lengths),
  };
  for (let first = 0; first < queries.tokens; first += LAUNCH_TOKENS) {
    attendSome(
      workspace,
      { ...layer, decoded },
      {
        query: queries.query + 4 * first * queryHeads * headSize,
        output: queries.output + 4 * first * queryHeads * valueSize,
        tokens: Math.min(LAUNCH_TOKENS, queries.tokens - first),
        before: queries.before + first,
      },
    );
  }
};

/** With codes of the codec `transform` in float32. */
interface ReadableLayer extends AttendedLayer {
  readonly decoded: { readonly key: Decoded | undefined; readonly value: Decoded | undefined };
}

const attendSome = (workspace: Workspace, layer: ReadableLayer, queries: Queries): void => {
  const { key, value, shape } = layer;
  const { tokens, before } = queries;
  const rowsOfHead = (tokens * shape.queryHeads) / shape.kvHeads;
  const isOnTensorCores = workspace.tensorCores && runsOnTensorCores(key.layout, value.layout, rowsOfHead);
  const { rows, kernel } = isOnTensorCores ? EIGHT_ROWS : kernelFor(rowsOfHead, key.layout);
  const rowTiles = Math.ceil(rowsOfHead / rows);
  const lengths = { shortest: before + 1, longest: before + tokens, span: spanOf(layer.spec) };
  const { multiprocessors } = workspace.device.description;
  const splits = splitContext(key.layout, value.layout, lengths, rowTiles * shape.kvHeads, multiprocessors);
  const codedSplits = isOnTensorCores ? splits.segmentSplits[CODED_SEGMENT]! : 0;
  const argumentBytes = writeArguments(workspace, layer, queries, splits, codedSplits > 0 ? CODED_SEGMENT : NONE);
  const grid = [splits.count, shape.kvHeads, rowTiles] as const;
  const blocks = { grid, threads: THREADS, sharedBytes: attendSharedBytes(rows, key.layout), argumentBytes };
  for (const name of kernelsFor(kernel, codedSplits, splits.count))
    workspace.device.launch({ kernel: name, ...blocks });
  workspace.device.launch({
    kernel: "reduce_splits",
    grid: [tokens * shape.queryHeads, 1, 1],
    threads: THREADS,
    sharedBytes: reduceSharedBytes(value.layout.headSize),
    argumentBytes,
  });
};

/** Tensor cores, where they apply, take the splits of codes; the float32 kernel takes all others. */
const kernelsFor = (kernel: KernelName, codedSplits: number, splits: number): KernelName[] => [
  ...(codedSplits < splits ? [kernel] : []),
  ...(codedSplits > 0 ? (["attend_8_rows_on_tensor_cores"] as const) : []),
];

/** A kernel, and its rows per block. */
interface RowKernel {
  readonly rows: number;
  readonly kernel: KernelName;
}

const ONE_ROW: RowKernel = { rows: 1, kernel: "attend_1_row" };
const FOUR_ROWS: RowKernel = { rows: 4, kernel: "attend_4_rows" };
const EIGHT_ROWS: RowKernel = { rows: 8, kernel: "attend_8_rows" };

/**
 * The kernel with the fewest rows per block that cover those of a KV head, at most eight; fewer where heads above 256 leave
 * no shared memory for them.
 */
const kernelFor = (rowsOfHead: number, key: TensorLayout): RowKernel => {
  if (rowsOfHead > 4 && fitsShared(8, key)) return EIGHT_ROWS;
  return rowsOfHead > 1 && fitsShared(4, key) ? FOUR_ROWS : ONE_ROW;
};

/** Shared memory that any GPU grants a block. More needs a setting per kernel, which this package does not use. */
export const MOST_SHARED_BYTES: number = 48 * 1024;

/** Whether a block of so many rows has enough shared memory. */
export const fitsShared = (rows: number, key: TensorLayout): boolean =>
  attendSharedBytes(rows, key) <= MOST_SHARED_BYTES;

/** Bytes for two rows. */
export const reduceSharedBytes = (headSize: number): number => 2 * headSize * 4;

/** Size of `AttendShared` in bytes. */
export const attendSharedBytes = (rows: number, layout: TensorLayout): number => {
  const { numbers, headSize } = layout;
  const parameters = numbers.isChannel ? (CODE_PAGE_TOKENS / numbers.groupSize) * headSize : 0;
  const partials = Math.max(WARPS * rows * CODE_PAGE_TOKENS, THREADS * OCTET);
  return 4 * (rows * headSize + 2 * parameters + partials + 5 * rows);
};

/** Writes the `AttendArguments` of kernels/attention-block.cuh. */
const writeArguments = (
  { staging }: Workspace,
  { key, value, decoded, shape, spec, sinkLogits }: ReadableLayer,
  { query, output, tokens, before }: Queries,
  { splitTokens, segmentSplits, count }: Splits,
  tensorCoreSegment: number,
): Uint8Array => {
  const vectors = tokens * shape.queryHeads * count;
  return value
    .writeView(key.writeView(new ArgumentWriter(), decoded.key), decoded.value)
    .address(query)
    .address(staging.reserve("sums", 4 * vectors * value.layout.headSize))
    .address(staging.reserve("statistics", 4 * 2 * vectors))
    .address(output)
    .address(sinkLogits.address())
    .integers(tokens, before, shape.queryHeads / shape.kvHeads, splitTokens, ...segmentSplits, count, tensorCoreSegment)
    .float(spec.scale)
    .float(spec.softcap ?? 0)
    .integers(Math.min(spanOf(spec), MAX_TOKENS + 1))
    .integers(...endsOfTokens(key.layout, value.layout, before, tokens))
    .bytes();
};

const endsOfTokens = (key: TensorLayout, value: TensorLayout, before: number, tokens: number): number[] =>
  Array.from({ length: tokens }, (_, token) => codedEnds(key, value, before + token + 1)).flatMap((ends) => [
    ends.key,
    ends.value,
  ]);
