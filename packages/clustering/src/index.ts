export { dbscan } from "./dbscan.ts";
export { dendrogram } from "./dendrogram.ts";
export type { Dendrogram } from "./dendrogram.ts";
export { ClusteringError } from "./features.ts";
export { groupLayers } from "./group-layers.ts";
export { hierarchical } from "./hierarchical.ts";
