import { schemeOfHead } from "@kvtuner/plan";
import {
  type BlockContext,
  decodeBlock,
  emptyBlock,
  encodeBlock,
  float16FromNumber,
  MAX_FLOAT16,
  numberFromFloat16,
  roundToFloat16,
} from "@kvtuner/quantizers";
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

/** Decodes coded tokens, counted after the sinks, into their exact rows, rounded to float16. */
export const decodeRows = (records: Records, { from, to }: TokenRange): void => {
  const { arena, tensor } = records;
  const { headSize } = tensor;
  for (let head = 0; head < tensor.kvHeads; head++) {
    const rows = Uint16Array.from(codedRows(records, head, { from, to }), float16FromNumber);
    for (let token = from; token < to; token++) {
      const start = (token - from) * headSize;
      arena.halves.set(rows.subarray(start, start + headSize), tensor.rowIndex(head, tensor.sinks + token));
    }
  }
};

/**
 * Tokens as they are read, rounded to float16: float32 `[tokens, kvHeads * headSize]`. Of those after the sinks, the first
 * `coded` are coded.
 *
 * @param range tokens of the sequence, sinks included
 */
export const readRows = (records: Records, { from, to }: TokenRange, coded: number): Float32Array => {
  const { sinks, headSize, kvHeads } = records.tensor;
  const rows = new Float32Array((to - from) * kvHeads * headSize);
  const [first, end] = [sinks, sinks + coded].map((token) => Math.max(from, Math.min(to, token))) as [number, number];
  for (let head = 0; head < kvHeads; head++) {
    const put = (start: number, numbers: Float32Array): void => {
      for (let index = 0; index < numbers.length; index += headSize) {
        const at = ((start - from + index / headSize) * kvHeads + head) * headSize;
        rows.set(numbers.subarray(index, index + headSize), at);
      }
    };
    put(from, exactRows(records, head, { from, to: first }));
    put(first, codedRows(records, head, { from: first - sinks, to: end - sinks }));
    put(end, exactRows(records, head, { from: end, to }));
  }
  return rows;
};

/** float32 `[tokens, headSize]`; tokens of the sequence. */
const exactRows = ({ arena, tensor }: Records, head: number, { from, to }: TokenRange): Float32Array => {
  const { headSize } = tensor;
  const rows = new Float32Array((to - from) * headSize);
  const { halves } = arena;
  for (let token = from, at = 0; token < to; token++) {
    const start = tensor.rowIndex(head, token);
    for (let index = start; index < start + headSize; index++) rows[at++] = numberFromFloat16(halves[index]!);
  }
  return rows;
};

/** The same of coded tokens, whose whole blocks are decoded. What exceeds float16 is cut off: a cache holds no infinity. */
const codedRows = (records: Records, head: number, { from, to }: TokenRange): Float32Array => {
  if (from >= to) return new Float32Array();
  const { tensor } = records;
  const { headSize } = tensor;
  const { blockSize } = tensor.scheme;
  const first = blockSize * Math.floor(from / blockSize);
  const end = blockSize * Math.ceil(to / blockSize);
  const scheme = schemeOfHead(tensor.stored, head);
  const block = emptyBlock(end - first, headSize, scheme);
  readRecords({ ...records, head }, { from: first, to: end }, block);
  const rows = decodeBlock(block, end - first, headSize, scheme, contextOf(tensor, head, first));
  return rows
    .subarray((from - first) * headSize, (to - first) * headSize)
    .map((number) => roundToFloat16(Math.max(-MAX_FLOAT16, Math.min(MAX_FLOAT16, number))));
};

const contextOf = ({ assets, sinks }: PackedTensor, head: number, token: number): BlockContext => ({
  assets,
  head,
  position: sinks + token,
});
