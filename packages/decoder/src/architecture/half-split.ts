import { pickRows } from "./pick-rows.ts";
import type { Linear } from "./weights.ts";

/**
 * Reorders query or key rows for RoPE, where a file stores row `2i + b` in place of row `i + b * half` of a head. Only the
 * leading `ropeDimensions` rows of a head are rotated.
 */
export const inHalfSplitOrder = (matrix: Linear, headSize: number, ropeDimensions: number): Linear =>
  pickRows(
    matrix,
    Uint32Array.from({ length: matrix.rows }, (_, row) => interleavedRow(row, headSize, ropeDimensions)),
  );

const interleavedRow = (row: number, headSize: number, ropeDimensions: number): number => {
  const half = ropeDimensions / 2;
  const within = row % headSize;
  if (within >= ropeDimensions) return row;
  return row - within + 2 * (within % half) + Math.floor(within / half);
};
