import { agnes, type Cluster } from "ml-hclust";
import { canonicalOrder, assertFeatures, ClusteringError, euclideanDistance, type Features } from "./features.ts";

/** A node of a merge tree. */
export interface Dendrogram {
  /** Items below this node. */
  readonly items: readonly number[];
  /** Largest distance between two of its items; 0 for a single one. */
  readonly height: number;
  readonly children: readonly Dendrogram[];
}

/**
 * Merge tree of the items by complete linkage: a node's height is the largest distance between two of its items.
 * The distance is the root mean square difference of two vectors (Euclidean over the square root of their length),
 * so trees over vectors of different lengths can be cut at one height. Vector i belongs to `items[i]`.
 *
 * @throws ClusteringError when there are no items, or features cannot be compared.
 */
export const dendrogram = (features: Features, items: readonly number[] = [...features.keys()]): Dendrogram => {
  assertFeatures(features, items);
  if (features.length === 0) throw new ClusteringError("CLUSTERING_EMPTY", "expected at least one item, got none");
  const order = canonicalOrder(features);
  const points = order.map((index) => [...features[index]!]);
  return nodeOf(
    agnes(points, { method: "complete", distanceFunction: rootMeanSquareDifference }),
    order.map((index) => items[index]!),
  );
};

/**
 * Splits trees into `groupCount` groups. Starts with one group per tree and splits the highest group in two until there
 * are enough; of equally high ones, the first. Heights never grow downwards, so this cuts all trees at one height.
 */
export const cutForest = (trees: readonly Dendrogram[], groupCount: number): number[][] => {
  let nodes = [...trees];
  while (nodes.length < groupCount) {
    const highest = nodes.reduce((best, node) => (isSplitBefore(node, best) ? node : best));
    nodes = nodes.flatMap((node) => (node === highest ? node.children : [node]));
  }
  return nodes.map(({ items }) => [...items]);
};

/** Single items cannot be split. Groups of equal vectors can, after all others. */
const isSplitBefore = (a: Dendrogram, b: Dendrogram): boolean =>
  a.children.length > 0 && (b.children.length === 0 || a.height > b.height);

const nodeOf = (cluster: Cluster, items: readonly number[]): Dendrogram => {
  if (cluster.isLeaf) return { items: [items[cluster.index]!], height: 0, children: [] };
  const children = cluster.children.map((child) => nodeOf(child, items));
  return { items: children.flatMap((child) => child.items), height: cluster.height, children };
};

const rootMeanSquareDifference = (a: readonly number[], b: readonly number[]): number =>
  a.length === 0 ? 0 : euclideanDistance(a, b) / Math.sqrt(a.length);
