import type { Call } from "../rule.ts";

/** Matrices on the last two of five axes. Operands repeat along axes of size 1. */
export interface Matrices {
  add(left: string, right: string): string;
  sub(left: string, right: string): string;
  mul(left: string, right: string): string;
  neg(matrix: string): string;
  matMul(left: string, right: string): string;
  transposed(matrix: string): string;
  /** Matrices below each other. */
  stacked(...matrices: readonly string[]): string;
  /** Rows `start` up to `end`, both int64 `[1]`. */
  rows(matrix: string, start: string, end: string): string;
  /** The same of columns. */
  columns(matrix: string, start: string, end: string): string;
  /** Sum over an axis, -1 or -2, which remains with size 1. */
  sum(matrix: string, axis: number): string;
}

/** Operations on matrices, as nodes of the graph of a call. */
export const matrices = (call: Call): Matrices => {
  const { emit } = call;
  const part = (matrix: string, start: string, end: string, axis: number): string =>
    emit("Slice", [matrix, start, end, call.integers([axis])]);
  return {
    add: (left, right) => emit("Add", [left, right]),
    sub: (left, right) => emit("Sub", [left, right]),
    mul: (left, right) => emit("Mul", [left, right]),
    neg: (matrix) => emit("Neg", [matrix]),
    matMul: (left, right) => emit("MatMul", [left, right]),
    transposed: (matrix) => emit("Transpose", [matrix], { perm: [0, 1, 2, 4, 3] }),
    stacked: (...parts) => emit("Concat", parts, { axis: 3 }),
    rows: (matrix, start, end) => part(matrix, start, end, 3),
    columns: (matrix, start, end) => part(matrix, start, end, 4),
    sum: (matrix, axis) => emit("ReduceSum", [matrix, call.integers([axis])], { keepdims: 1 }),
  };
};
