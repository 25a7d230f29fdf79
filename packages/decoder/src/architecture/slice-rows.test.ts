import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { sliceRows } from "./slice-rows.ts";
import type { Linear } from "./weights.ts";

const COLUMNS = 8;
const BLOCK = 4;

/** Row `row` of a matrix in float32, then its bias. */
const rowOf = ({ columns, matrix, bias }: Linear, row: number): number[] => {
  const numbers = Array.from({ length: columns }, (_, column) => {
    const index = row * columns + column;
    if (matrix instanceof Float32Array) return matrix[index]!;
    const block = Math.floor(index / matrix.blockSize);
    return matrix.scales[block]! * matrix.codes[index]! + (matrix.offsets?.[block] ?? 0);
  });
  return [...numbers, bias?.[row] ?? 0];
};

const linear = fc.record({ rows: fc.integer({ min: 1, max: 6 }), kind: fc.constantFrom("float", "codes", "offsets") });

test.prop([linear, fc.nat(5), fc.nat(5)])("rows of a part are rows of the whole", ({ rows, kind }, a, b) => {
  const [from, to] = [Math.min(a, b) % rows, (Math.max(a, b) % rows) + 1];
  fc.pre(from < to);
  const count = (length: number, offset: number): Float32Array => Float32Array.from({ length }, (_, i) => i + offset);
  const blocks = (rows * COLUMNS) / BLOCK;
  const whole: Linear = {
    rows,
    columns: COLUMNS,
    bias: count(rows, 0.5),
    matrix:
      kind === "float"
        ? count(rows * COLUMNS, 0)
        : {
            blockSize: BLOCK,
            bits: 8,
            codes: Int8Array.from(count(rows * COLUMNS, 0)),
            scales: count(blocks, 2),
            ...(kind === "offsets" && { offsets: count(blocks, 7) }),
          },
  };
  const part = sliceRows(whole, from, to);
  expect(part.rows).toBe(to - from);
  for (let row = from; row < to; row++) expect(rowOf(part, row - from)).toEqual(rowOf(whole, row));
});
