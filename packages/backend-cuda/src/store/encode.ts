import { ArgumentWriter } from "./argument-writer.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { encodedBetween, prefixAt, type TokenRange } from "./tensor-layout.ts";
import { decodeTransform, encodeTransform } from "./transform-codes.ts";
import type { Workspace } from "./workspace.ts";

/** Same as in kernels/encode.cu and kernels/images.cu. */
const APPEND_THREADS = 128;
const ENCODE_THREADS = 64;
const DECODE_THREADS = 64;
const OCTET = 8;

/** Bytes for a row, its extremes and parameters. */
export const encodeSharedBytes = (headSize: number): number => headSize * (4 + 8 + 4);
/** Bytes for a row. */
export const decodeSharedBytes = (headSize: number): number => headSize * 4;

/** Appends float32 rows on the device, `[tokens, kvHeads * headSize]`, as 16-bit rows after the first `before` tokens. */
export const appendRows = (
  { device }: Workspace,
  tensor: PackedTensor,
  rows: number,
  tokens: number,
  before: number,
): void => {
  const { kvHeads, headSize } = tensor.layout;
  const threads = (tokens * kvHeads * headSize) / OCTET;
  device.launch({
    kernel: "append_rows",
    grid: [Math.ceil(threads / APPEND_THREADS), 1, 1],
    threads: APPEND_THREADS,
    sharedBytes: 0,
    argumentBytes: tensor.writeView(new ArgumentWriter()).address(rows).integers(tokens, before).bytes(),
  });
};

/** Encodes the blocks that become full between lengths `from` and `to`, if they are held. Their tokens are in 16 bits. */
export const encodeBlocks = (workspace: Workspace, tensor: PackedTensor, from: number, to: number): void => {
  const { layout } = tensor;
  const [first, end] = encodedBetween(layout, from, to);
  const tokens = end - first;
  if (tokens === 0) return;
  if (layout.transform) return encodeTransform(workspace, tensor, [first, end]);
  const { isChannel, groupSize } = layout.numbers;
  workspace.device.launch({
    kernel: isChannel ? "encode_groups" : "encode_rows",
    grid: [isChannel ? tokens / groupSize : tokens, layout.kvHeads, 1],
    threads: ENCODE_THREADS,
    sharedBytes: encodeSharedBytes(layout.headSize),
    argumentBytes: tensor.writeView(new ArgumentWriter()).integers(first).bytes(),
  });
};

/** Tokens to decode. */
export interface DecodedTokens {
  /** Tokens in the source. */
  readonly length: number;
  readonly begin: number;
  readonly end: number;
}

/** Decodes rows of `source`, rounds them to float16, and writes them to the 16-bit pages of `target`. */
export const decodeRows = (
  workspace: Workspace,
  source: PackedTensor,
  target: PackedTensor,
  { length, begin, end }: DecodedTokens,
): void => {
  const prefix = prefixAt(source.layout, length);
  if (!source.layout.transform) return decodeOnDevice(workspace, source, target, prefix, [begin, end]);
  const { sinks } = source.layout.layer.residency;
  const firstCoded = Math.min(end, Math.max(begin, sinks));
  const endCoded = Math.max(firstCoded, Math.min(end, sinks + prefix));
  decodeOnDevice(workspace, source, target, 0, [begin, firstCoded]);
  if (firstCoded < endCoded) decodeTransform(workspace, source, target, [firstCoded - sinks, endCoded - sinks]);
  decodeOnDevice(workspace, source, target, 0, [endCoded, end]);
};

const decodeOnDevice = (
  { device }: Workspace,
  source: PackedTensor,
  target: PackedTensor,
  prefix: number,
  [begin, end]: TokenRange,
): void => {
  if (begin >= end) return;
  device.launch({
    kernel: "decode_rows",
    grid: [end - begin, source.layout.kvHeads, 1],
    threads: DECODE_THREADS,
    sharedBytes: decodeSharedBytes(source.layout.headSize),
    argumentBytes: target.writeView(source.writeView(new ArgumentWriter())).integers(prefix, begin).bytes(),
  });
};
