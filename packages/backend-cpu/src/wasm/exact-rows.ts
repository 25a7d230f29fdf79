import { numberFromFloat16 } from "@kvtuner/quantizers";
import type { TokenRange } from "./packed-tensor.ts";
import type { Records } from "./records.ts";

/** Exact tokens of the sequence: float32 `[tokens, headSize]`. */
export const exactRows = ({ arena, tensor }: Records, head: number, { from, to }: TokenRange): Float32Array => {
  const { headSize } = tensor;
  const rows = new Float32Array((to - from) * headSize);
  const { halves } = arena;
  for (let token = from, at = 0; token < to; token++) {
    const start = tensor.rowIndex(head, token);
    for (let index = start; index < start + headSize; index++) rows[at++] = numberFromFloat16(halves[index]!);
  }
  return rows;
};
