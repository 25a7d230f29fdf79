import { float16FromNumber, MAX_FLOAT16, roundToFloat16 } from "@kvtuner/quantizers";
import { decodedRows } from "./codec-rows.ts";
import { exactRows } from "./exact-rows.ts";
import type { TokenRange } from "./packed-tensor.ts";
import type { Records } from "./records.ts";
import { decodedRows as decodedTransform } from "./transform/coded-tokens.ts";

/** Decodes coded tokens, counted after the sinks, into their exact rows, rounded to float16, with the codec in TypeScript. */
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

/** Coded tokens, counted after the sinks: float32 `[tokens, headSize]`. What exceeds float16 is cut off: a cache holds no infinity. */
const codedRows = (records: Records, head: number, range: TokenRange): Float32Array => {
  if (range.from >= range.to) return new Float32Array();
  const rows = records.tensor.coder ? decodedTransform(records, head, range) : decodedRows(records, head, range);
  return rows.map((number) => roundToFloat16(Math.max(-MAX_FLOAT16, Math.min(MAX_FLOAT16, number))));
};
