import { KvtunerError } from "@kvtuner/plan";

/** One vector of finite numbers per item, all of the same length. */
export type Features = readonly (readonly number[])[];

/** `sqrt(sum((a - b)^2))`. */
export const euclideanDistance = (a: readonly number[], b: readonly number[]): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index]! - b[index]!) ** 2;
  return Math.sqrt(sum);
};

/**
 * Indices of the vectors in lexicographic order; equal vectors keep their order. Clustering in this order makes the result
 * independent of the order of items.
 */
export const canonicalOrder = (features: Features): number[] =>
  [...features.keys()].toSorted((a, b) => compareVectors(features[a]!, features[b]!) || a - b);

/** Sorts each group, and the groups by their first member. */
export const sortGroups = (groups: readonly (readonly number[])[]): number[][] =>
  groups.map((group) => group.toSorted((a, b) => a - b)).toSorted((a, b) => a[0]! - b[0]!);

/** Rejects vectors of different lengths and numbers that are not finite. Messages call an item `items[i]`. */
export const assertFeatures = (features: Features, items: readonly number[] = [...features.keys()]): void => {
  for (const [index, vector] of features.entries()) {
    if (vector.length !== features[0]!.length) {
      throw new ClusteringError(
        "CLUSTERING_LENGTH",
        `expected feature vectors of equal length, got ${features[0]!.length} numbers for item ${items[0]} and ${vector.length} for item ${items[index]}`,
      );
    }
    const broken = vector.find((x) => !Number.isFinite(x));
    if (broken === undefined) continue;
    throw new ClusteringError(
      "CLUSTERING_NOT_FINITE",
      `expected finite features, got ${broken} for item ${items[index]}`,
    );
  }
};

const compareVectors = (a: readonly number[], b: readonly number[]): number => {
  const differs = a.findIndex((x, index) => x !== b[index]);
  return differs === -1 ? 0 : a[differs]! - b[differs]!;
};

/** Input that cannot be clustered; `code` starts with `CLUSTERING_`. */
export class ClusteringError extends KvtunerError {
  override readonly name = "ClusteringError";
}
