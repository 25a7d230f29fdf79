/** Lower triangular factor L of a symmetric positive definite matrix A = L L^T, rows of which only the lower part is read. */
export type Cholesky = readonly Float64Array[];

/** Factors a matrix given by its entries; a pivot that rounding made too small is raised to 1e-12. */
export const factorize = (size: number, entry: (row: number, column: number) => number): Cholesky => {
  const rows = Array.from({ length: size }, () => new Float64Array(size));
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      const rest = entry(row, column) - dot(rows[row]!, rows[column]!, column);
      rows[row]![column] = row === column ? Math.sqrt(Math.max(rest, 1e-12)) : rest / rows[column]![column]!;
    }
  }
  return rows;
};

/** Solves L x = b. */
export const solveLower = (factor: Cholesky, b: ArrayLike<number>): Float64Array => {
  const x = new Float64Array(factor.length);
  for (let row = 0; row < x.length; row++) x[row] = (b[row]! - dot(factor[row]!, x, row)) / factor[row]![row]!;
  return x;
};

/** Solves L L^T x = b. */
export const solve = (factor: Cholesky, b: ArrayLike<number>): Float64Array => {
  const x = solveLower(factor, b);
  for (let row = x.length - 1; row >= 0; row--) {
    let rest = x[row]!;
    for (let below = row + 1; below < x.length; below++) rest -= factor[below]![row]! * x[below]!;
    x[row] = rest / factor[row]![row]!;
  }
  return x;
};

/** L z: independent standard normal numbers become ones with covariance A. */
export const multiplyLower = (factor: Cholesky, z: Float64Array): Float64Array =>
  z.map((_, row) => dot(factor[row]!, z, row + 1));

/** Diagonal of the inverse of A. */
export const inverseDiagonal = (factor: Cholesky): number[] =>
  factor.map((_, column) => {
    const unitVector = new Float64Array(factor.length);
    unitVector[column] = 1;
    const x = solveLower(factor, unitVector);
    return dot(x, x, x.length);
  });

/** Half of log det A. */
export const halfLogDeterminant = (factor: Cholesky): number =>
  factor.reduce((sum, row, index) => sum + Math.log(row[index]!), 0);

const dot = (a: Float64Array, b: Float64Array, count: number): number => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += a[index]! * b[index]!;
  return sum;
};
