declare module "density-clustering" {
  /** The part of density-clustering 1.3 used here. */
  export class DBSCAN {
    /** Clusters of indices into `dataset`. Its `noise` property is wrong: it also holds border points found later. */
    run<Point>(
      dataset: Point[],
      epsilon: number,
      minimumSamples: number,
      distance: (a: Point, b: Point) => number,
    ): number[][];
  }

  const densityClustering: { readonly DBSCAN: typeof DBSCAN };
  export default densityClustering;
}
