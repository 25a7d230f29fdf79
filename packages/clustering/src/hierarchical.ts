import { cutForest, dendrogram } from "./dendrogram.ts";
import { assertFeatures, ClusteringError, type Features, sortGroups } from "./features.ts";

/**
 * Agglomerative clustering by complete linkage into exactly `groupCount` groups of indices, sorted by their smallest
 * member. Merges greedily the two groups whose most distant items are nearest.
 *
 * @throws ClusteringError unless there are 1 to n groups for n items, or when features cannot be compared.
 */
export const hierarchical = (features: Features, groupCount: number): number[][] => {
  assertFeatures(features);
  assertGroupCount(groupCount, Math.min(1, features.length), features.length, "items");
  return features.length === 0 ? [] : sortGroups(cutForest([dendrogram(features)], groupCount));
};

/** Rejects a number of groups outside `smallest` to `largest`. */
export const assertGroupCount = (groupCount: number, smallest: number, largest: number, reason: string): void => {
  if (Number.isInteger(groupCount) && groupCount >= smallest && groupCount <= largest) return;
  throw new ClusteringError(
    "CLUSTERING_GROUP_COUNT",
    `expected an integer from ${smallest} to ${largest} as the number of groups for these ${reason}, got ${groupCount}`,
  );
};
