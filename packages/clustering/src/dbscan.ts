// density-clustering has no types. Projects that compile this source find them only by path.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="./density-clustering.d.ts" />
import densityClustering from "density-clustering";
import {
  canonicalOrder,
  assertFeatures,
  ClusteringError,
  euclideanDistance,
  type Features,
  sortGroups,
} from "./features.ts";

/** Density of DBSCAN. The paper uses epsilon 0.05 and two samples. */
export interface DbscanOptions {
  /** Largest Euclidean distance of two neighbours, inclusive. */
  readonly epsilon: number;
  /** Neighbours that make an item the core of a cluster, counting the item itself. */
  readonly minimumSamples: number;
}

/**
 * DBSCAN (Ester et al., 1996) by Euclidean distance. Returns groups of indices, sorted by their smallest member, that
 * hold every item once. A noise item is a group of its own, as in the paper (arXiv 2502.04420, Table 10).
 *
 * A border item within reach of two clusters joins the one found first when items are sorted by vector, so the result
 * does not depend on the order of items.
 *
 * @throws ClusteringError for vectors of different lengths, numbers that are not finite, or useless options.
 */
export const dbscan = (features: Features, options: DbscanOptions): number[][] => {
  assertOptions(options);
  assertFeatures(features);
  const order = canonicalOrder(features);
  const clusters = clustersOf(
    order.map((item) => features[item]!),
    options,
  ).map((cluster) => cluster.map((rank) => order[rank]!));
  const clustered = new Set(clusters.flat());
  const noise = order.filter((item) => !clustered.has(item)).map((item) => [item]);
  return sortGroups([...clusters, ...noise]);
};

/**
 * The library tests `distance < epsilon` and treats an epsilon of 0 as its default. So this function compares, and returns
 * 0 or 2.
 */
const clustersOf = (points: (readonly number[])[], { epsilon, minimumSamples }: DbscanOptions): number[][] =>
  new densityClustering.DBSCAN().run(points, 1, minimumSamples, (a, b) => (euclideanDistance(a, b) <= epsilon ? 0 : 2));

const assertOptions = ({ epsilon, minimumSamples }: DbscanOptions): void => {
  if (!(epsilon >= 0 && Number.isFinite(epsilon))) {
    throw new ClusteringError("CLUSTERING_EPSILON", `expected a finite epsilon of at least 0, got ${epsilon}`);
  }
  if (Number.isInteger(minimumSamples) && minimumSamples >= 1) return;
  throw new ClusteringError(
    "CLUSTERING_MINIMUM_SAMPLES",
    `expected minimumSamples to be an integer of at least 1, got ${minimumSamples}`,
  );
};
