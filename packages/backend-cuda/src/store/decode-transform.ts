import { ArgumentWriter } from "./argument-writer.ts";
import type { Decoded, PackedTensor } from "./packed-tensor.ts";
import type { Lengths } from "./splits.ts";
import { CODE_PAGE_TOKENS, prefixAt } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Same as in kernels/transform.cu. */
const THREADS = 64;

/** Bytes for channels and numbers of a row. */
export const decodeTransformSharedBytes = (headSize: number): number => 2 * headSize * 4;

/**
 * Decodes what queries of some lengths read of a tensor of the codec `transform`, to memory that the next call overwrites; undefined for
 * other codecs.
 *
 * @throws OutOfMemoryError
 */
export const decodeForAttention = (
  workspace: Workspace,
  tensor: PackedTensor,
  name: "decodedKeys" | "decodedValues",
  { shortest, longest, span }: Lengths,
): Decoded | undefined => {
  const { transform, layer, kvHeads, headSize } = tensor.layout;
  if (!transform) return undefined;
  const first = Math.max(0, shortest - span - layer.residency.sinks);
  const end = prefixAt(tensor.layout, longest);
  const firstPage = Math.floor(first / CODE_PAGE_TOKENS);
  const pages = Math.max(1, Math.ceil(end / CODE_PAGE_TOKENS) - firstPage);
  const address = workspace.staging.reserve(name, 4 * pages * CODE_PAGE_TOKENS * kvHeads * headSize);
  const decoded = { address, firstPage };
  if (first < end) launch(workspace, tensor, decoded, [first, end]);
  return decoded;
};

const launch = (
  { device }: Workspace,
  tensor: PackedTensor,
  { address, firstPage }: Decoded,
  [first, end]: readonly [number, number],
): void => {
  const { kvHeads, headSize } = tensor.layout;
  const { gainBits, headWords, hasMatrix, pairs, step, distance } = tensor.tables!.shape;
  const argumentBytes = tensor
    .writeView(new ArgumentWriter(), { address: tensor.codes.table(), firstPage })
    .address(tensor.tables!.address())
    .address(address)
    .integers(first, gainBits, headWords)
    .flags(hasMatrix)
    .integers(pairs, step, distance)
    .bytes();
  device.launch({
    kernel: "decode_transform",
    grid: [end - first, kvHeads, 1],
    threads: THREADS,
    sharedBytes: decodeTransformSharedBytes(headSize),
    argumentBytes,
  });
};
