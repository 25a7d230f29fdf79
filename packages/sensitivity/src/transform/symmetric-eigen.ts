/** Eigenvalues in descending order, and eigenvectors as the columns of `vectors`, `[size, size]` row-major. */
export interface SymmetricEigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

const MOST_SWEEPS = 60;

/** Eigendecomposition of a symmetric matrix, `[size, size]` row-major, by Jacobi rotations. */
export const symmetricEigen = (matrix: Float64Array, size: number): SymmetricEigen => {
  const a = matrix.slice();
  // Rows are the vectors while rotating: neighbours in memory.
  const rows = identity(size);
  const scale = a.reduce((sum, x) => sum + x * x, 0);
  for (let sweep = 0; sweep < MOST_SWEEPS && offDiagonal(a, size) > 1e-24 * scale; sweep++)
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(a, rows, size, p, q);
  const order = Array.from({ length: size }, (_, i) => i).toSorted((i, j) => a[j * size + j]! - a[i * size + i]!);
  const vectors = new Float64Array(size * size);
  for (const [column, i] of order.entries())
    for (let k = 0; k < size; k++) vectors[k * size + column] = rows[i * size + k]!;
  return { values: Float64Array.from(order, (i) => a[i * size + i]!), vectors };
};

const identity = (size: number): Float64Array => {
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  return matrix;
};

const offDiagonal = (a: Float64Array, size: number): number => {
  let sum = 0;
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) sum += 2 * a[i * size + j]! ** 2;
  return sum;
};

/** Makes entry `p, q` zero. */
const rotate = (a: Float64Array, rows: Float64Array, size: number, p: number, q: number): void => {
  const [pp, qq, pq] = [a[p * size + p]!, a[q * size + q]!, a[p * size + q]!];
  if (pq === 0) return;
  const theta = (qq - pp) / (2 * pq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta ** 2 + 1));
  const cosine = 1 / Math.sqrt(t ** 2 + 1);
  const sine = t * cosine;
  rotateRows(a, size, p, q, cosine, sine);
  for (let k = 0; k < size; k++) {
    if (k === p || k === q) continue;
    a[k * size + p] = a[p * size + k]!;
    a[k * size + q] = a[q * size + k]!;
  }
  a[p * size + p] = pp - t * pq;
  a[q * size + q] = qq + t * pq;
  a[p * size + q] = a[q * size + p] = 0;
  rotateRows(rows, size, p, q, cosine, sine);
};

const rotateRows = (a: Float64Array, size: number, p: number, q: number, cosine: number, sine: number): void => {
  for (let k = 0; k < size; k++) {
    const [x, y] = [a[p * size + k]!, a[q * size + k]!];
    a[p * size + k] = cosine * x - sine * y;
    a[q * size + k] = sine * x + cosine * y;
  }
};
