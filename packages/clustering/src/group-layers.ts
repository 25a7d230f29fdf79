import { dbscan } from "./dbscan.ts";
import { cutForest, dendrogram } from "./dendrogram.ts";
import { assertFeatures, ClusteringError, type Features, sortGroups } from "./features.ts";
import { assertGroupCount } from "./hierarchical.ts";

/** How layers with the same candidates are clustered. */
export type GroupingMethod =
  | { readonly kind: "dbscan"; readonly epsilon: number; readonly minimumSamples: number }
  | { readonly kind: "hierarchical"; readonly groups: number };

/** Layers to group. */
export interface GroupLayersInput {
  /** A layer's losses (e_o in the paper), one per candidate, in the candidates' order. */
  readonly features: Features;
  /** Names a layer's set of candidates. Only layers with equal keys can share a group. */
  readonly candidateKeys: readonly string[];
  readonly method: GroupingMethod;
  /**
   * Scale of distances: the losses themselves (`linear`, the default) or their decimal logarithms (`log10`, which
   * treats losses below 1e-12 as 1e-12). `linear` compares layers by their largest losses, `log10` by ratios.
   */
  readonly scale?: "linear" | "log10";
}

/** On a logarithmic scale, losses below this count as equal. */
const SMALLEST_LOSS = 1e-12;

/**
 * Groups layers that may share one choice (arXiv 2502.04420, section 5.3): first by identical candidates, then
 * by losses within each of these partitions. Returns groups of layer indices, sorted by their smallest member, that
 * hold every layer once. The order of layers does not matter.
 *
 * - `dbscan`: Euclidean distance, epsilon inclusive. Noise layers are groups of their own.
 * - `hierarchical`: complete linkage. `groups` is the total over all partitions, each of which gets at least one. All
 *   are cut at one height of root mean square difference: the next group to split is always the one with the two most
 *   different layers, in whichever partition.
 *
 * @throws ClusteringError when features and keys do not fit, or `groups` is below the number of partitions or above the
 * number of layers.
 */
export const groupLayers = ({ features, candidateKeys, method, scale = "linear" }: GroupLayersInput): number[][] => {
  assertCounts(features, candidateKeys);
  const partitions = partitionsOf(candidateKeys);
  for (const layers of partitions) assertFeatures(select(features, layers), layers);
  const scaled = scale === "linear" ? features : features.map((losses) => losses.map(logarithm));
  if (method.kind === "dbscan") {
    return sortGroups(partitions.flatMap((layers) => layersOf(dbscan(select(scaled, layers), method), layers)));
  }
  assertGroupCount(method.groups, partitions.length, features.length, "layers and sets of candidates");
  const trees = partitions.map((layers) => dendrogram(select(scaled, layers), layers));
  return sortGroups(cutForest(trees, method.groups));
};

/** Layers by candidate key, sorted by key so that the order of layers does not matter. */
const partitionsOf = (keys: readonly string[]): number[][] =>
  [...new Set(keys)].toSorted().map((key) => [...keys.keys()].filter((layer) => keys[layer] === key));

const select = (features: Features, layers: readonly number[]): (readonly number[])[] =>
  layers.map((layer) => features[layer]!);

const layersOf = (groups: readonly number[][], layers: readonly number[]): number[][] =>
  groups.map((group) => group.map((index) => layers[index]!));

const logarithm = (loss: number): number => Math.log10(Math.max(loss, SMALLEST_LOSS));

const assertCounts = (features: Features, keys: readonly string[]): void => {
  if (features.length === keys.length) return;
  throw new ClusteringError(
    "CLUSTERING_LENGTH",
    `expected one feature vector and one candidate key per layer, got ${features.length} vectors and ${keys.length} keys`,
  );
};
