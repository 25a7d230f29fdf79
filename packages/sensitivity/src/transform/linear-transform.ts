import type { Moments } from "./moments.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

/**
 * A change of coordinates of one KV head: `z = (x - mean) forward`, `x = z backward + mean`. The squared length of an error of `z` is
 * that of `x` in the metric. Without matrices, `z[i] = (x[i] - mean[i]) * weights[i]`.
 */
export interface CodingTransform {
  /** `[size]` */
  readonly mean: Float64Array;
  /** `[size, size]`, row-major. */
  readonly matrices?: { readonly forward: Float64Array; readonly backward: Float64Array };
  /** `[size]`; all 1 with matrices. */
  readonly weights: Float64Array;
  /** What errors `e` of `z` cost beyond their squares: `e' metric e`, `[size, size]`; with matrices the squares are all. */
  readonly metric?: Float64Array;
  /** Variances of `z`; `[size]`, in descending order with matrices. */
  readonly variances: Float64Array;
}

/** By how much costs shared by two channels are taken for less: few thousand gradients exaggerate them. */
const SHRINKAGE = 0.3;

/** Each channel by itself, scaled by the root of its entry in the metric. */
export const channelTransform = (metric: Float64Array, { mean, covariance }: Moments): CodingTransform => {
  const { length: size } = mean;
  return {
    mean,
    weights: mean.map((_, i) => Math.sqrt(metric[i * size + i]!)),
    metric: metric.map((cost, index) => {
      const [row, column] = [Math.floor(index / size), index % size];
      return row === column
        ? 1
        : cost / ((1 + SHRINKAGE) * Math.sqrt(metric[row * (size + 1)]! * metric[column * (size + 1)]!));
    }),
    variances: mean.map((_, i) => metric[i * size + i]! * covariance[i * size + i]!),
  };
};

/**
 * The Karhunen-Loève transform in a metric: `forward = R U` and `backward = U' R^-1`, where `R` is the root of the metric and `U` has
 * the eigenvectors of `R covariance R`. Of all linear transforms, its variances have the smallest product.
 */
export const karhunenLoeve = (metric: Float64Array, { mean, covariance }: Moments): CodingTransform => {
  const { length: size } = mean;
  const { values, vectors } = symmetricEigen(metric, size);
  const root = (power: number): Float64Array =>
    product(
      vectors.map((number, index) => number * values[index % size]! ** power),
      transposed(vectors, size),
      size,
    );
  const [half, inverse] = [root(0.5), root(-0.5)];
  const own = symmetricEigen(product(product(half, covariance, size), half, size), size);
  return {
    mean,
    matrices: {
      forward: product(half, own.vectors, size),
      backward: product(transposed(own.vectors, size), inverse, size),
    },
    weights: new Float64Array(size).fill(1),
    variances: own.values.map((value) => Math.max(0, value)),
  };
};

/** The rows `[tokens, size]` in the transform's coordinates. */
export const transformed = (
  rows: Float32Array,
  { mean, matrices, weights }: Pick<CodingTransform, "mean" | "matrices" | "weights">,
): Float64Array => {
  const { length: size } = mean;
  const centred = Float64Array.from(rows, (number, index) => (number - mean[index % size]!) * weights[index % size]!);
  return matrices ? product(centred, matrices.forward, size) : centred;
};

/** `[rows, size]` times `[size, size]`. */
const product = (left: Float64Array, right: Float64Array, size: number): Float64Array => {
  const result = new Float64Array(left.length);
  for (let start = 0; start < left.length; start += size)
    for (let k = 0; k < size; k++) {
      const factor = left[start + k]!;
      for (let j = 0; j < size; j++) result[start + j]! += factor * right[k * size + j]!;
    }
  return result;
};

const transposed = (matrix: Float64Array, size: number): Float64Array =>
  matrix.map((_, index) => matrix[(index % size) * size + Math.floor(index / size)]!);
