/** Rows of a row-major matrix; a view if they are neighbours. */
export const gatherRows = (matrix: Float32Array, width: number, rows: readonly number[]): Float32Array => {
  const first = rows[0]!;
  if (rows.at(-1)! - first === rows.length - 1) return matrix.subarray(first * width, (first + rows.length) * width);
  const gathered = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries())
    gathered.set(matrix.subarray(row * width, (row + 1) * width), index * width);
  return gathered;
};
