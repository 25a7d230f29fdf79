import { type Rope, rotate, unrotate } from "@kvtuner/quantizers";
import type { HeadRows } from "./transform/cache-samples.ts";

/** Keys of one KV head before RoPE, and gradients by them, which turn as keys do. */
export const beforeRope = (head: HeadRows, rope: Rope): HeadRows =>
  turnedRows(head, (key, position) => {
    unrotate(key, head.size, position, rope);
  });

/**
 * Keys of one KV head, and gradients by them, at other positions. Both turn alike: what a reader sees depends on differences of positions
 * only.
 *
 * @param target new position of a row
 */
export const atPositions = (head: HeadRows, rope: Rope, target: (row: number) => number): HeadRows =>
  turnedRows(head, (key, position, row) => {
    unrotate(key, head.size, position, rope);
    rotate(key, head.size, target(row), rope);
  });

const turnedRows = (head: HeadRows, turn: (key: Float32Array, position: number, row: number) => void): HeadRows => {
  const turned = (source: Float32Array): Float32Array => {
    const rows = source.slice();
    for (const [row, position] of head.positions.entries())
      turn(rows.subarray(row * head.size, (row + 1) * head.size), position, row);
    return rows;
  };
  return { ...head, rows: turned(head.rows), gradients: head.gradients.map(turned) };
};
