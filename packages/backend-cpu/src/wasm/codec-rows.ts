import { schemeOfHead } from "@kvtuner/plan";
import { type BlockContext, decodeBlock, emptyBlock, encodeBlock } from "@kvtuner/quantizers";
import { exactRows } from "./exact-rows.ts";
import type { PackedTensor, TokenRange } from "./packed-tensor.ts";
import { readRecords, type Records, writeRecords } from "./records.ts";

/** Encodes whole blocks of exact tokens, counted after the sinks, with the codec in TypeScript. */
export const encodeRows = (records: Records, range: TokenRange): void => {
  const { tensor } = records;
  const tokens = range.to - range.from;
  if (tokens === 0) return;
  for (let head = 0; head < tensor.kvHeads; head++) {
    const rows = exactRows(records, head, { from: tensor.sinks + range.from, to: tensor.sinks + range.to });
    const scheme = schemeOfHead(tensor.stored, head);
    const block = encodeBlock(rows, tokens, tensor.headSize, scheme, contextOf(tensor, head, range.from));
    writeRecords({ ...records, head }, range, block);
  }
};

/** Coded tokens, float32 `[tokens, headSize]`. Decodes whole blocks. */
export const decodedRows = (records: Records, head: number, { from, to }: TokenRange): Float32Array => {
  const { tensor } = records;
  const { headSize } = tensor;
  const { blockSize } = tensor.scheme;
  const first = blockSize * Math.floor(from / blockSize);
  const end = blockSize * Math.ceil(to / blockSize);
  const scheme = schemeOfHead(tensor.stored, head);
  const block = emptyBlock(end - first, headSize, scheme);
  readRecords({ ...records, head }, { from: first, to: end }, block);
  const rows = decodeBlock(block, end - first, headSize, scheme, contextOf(tensor, head, first));
  return rows.subarray((from - first) * headSize, (to - first) * headSize);
};

const contextOf = ({ assets, sinks }: PackedTensor, head: number, token: number): BlockContext => ({
  assets,
  head,
  position: sinks + token,
});
