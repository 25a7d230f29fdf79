import { type Rope, unrotate } from "@kvtuner/quantizers";
import type { HeadRows } from "./transform/cache-samples.ts";

/** Keys of one KV head before RoPE, and gradients by them, which turn as keys do. */
export const beforeRope = (head: HeadRows, rope: Rope): HeadRows => {
  const turnedBack = (source: Float32Array): Float32Array => {
    const rows = source.slice();
    for (const [row, position] of head.positions.entries())
      unrotate(rows.subarray(row * head.size, (row + 1) * head.size), head.size, position, rope);
    return rows;
  };
  return { ...head, rows: turnedBack(head.rows), gradients: head.gradients.map(turnedBack) };
};
