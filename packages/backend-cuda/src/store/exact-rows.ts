import { ArgumentWriter } from "./argument-writer.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import type { TokenRange } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Same as in kernels/images.cu. */
const COPY_THREADS = 128;
const OCTET = 8;

/** Downloads 16-bit rows of tokens as `[kvHeads, tokens, headSize]`. */
export const readExact = (workspace: Workspace, tensor: PackedTensor, range: TokenRange): Uint16Array => {
  const { kvHeads, headSize } = tensor.layout;
  const rows = new Uint16Array(kvHeads * (range[1] - range[0]) * headSize);
  const address = workspace.staging.reserve("rows", rows.byteLength);
  copyExact(workspace, tensor, range, address, false);
  workspace.device.download(address, rows);
  return rows;
};

/** Uploads the result of {@link readExact}. */
export const writeExact = (workspace: Workspace, tensor: PackedTensor, range: TokenRange, rows: Uint16Array): void => {
  copyExact(workspace, tensor, range, workspace.staging.bring("rows", rows), true);
};

const copyExact = (
  { device }: Workspace,
  tensor: PackedTensor,
  [begin, end]: TokenRange,
  address: number,
  isImport: boolean,
): void => {
  const { kvHeads, headSize } = tensor.layout;
  const tokens = end - begin;
  const argumentBytes = tensor
    .writeView(new ArgumentWriter())
    .address(0)
    .address(0)
    .address(0)
    .address(address)
    .integers(0, 0, begin, tokens, end, tokens)
    .flags(isImport)
    .bytes();
  const grid = [Math.ceil((tokens * headSize) / OCTET / COPY_THREADS), kvHeads, 1] as const;
  device.launch({ kernel: "copy_exact", grid, threads: COPY_THREADS, sharedBytes: 0, argumentBytes });
};
