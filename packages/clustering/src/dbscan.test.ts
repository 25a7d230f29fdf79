import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import type { DbscanOptions } from "./dbscan.ts";
import { ClusteringError, dbscan } from "./index.ts";

/** Points on a coarse grid, so that equal points and distances equal to epsilon are common. */
const grid = fc.integer({ min: 0, max: 12 }).map((step) => step / 4);
const points = fc.array(fc.tuple(grid, grid), { maxLength: 14 });
const options = fc.record({
  epsilon: fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
  minimumSamples: fc.integer({ min: 1, max: 5 }),
});

const near = (a: readonly number[], b: readonly number[], epsilon: number): boolean =>
  Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!) <= epsilon;

/** The definition: cores within reach of each other are connected; items that reach no core are noise. */
const coreClusters = (
  all: readonly (readonly number[])[],
  { epsilon, minimumSamples }: DbscanOptions,
): Set<number>[] => {
  const neighbours = all.map((a) => [...all.keys()].filter((item) => near(a, all[item]!, epsilon)));
  const cores = [...all.keys()].filter((item) => neighbours[item]!.length >= minimumSamples);
  const clusters = cores.map((core) => new Set([core]));
  for (const core of cores) {
    const reached = clusters.filter((cluster) => neighbours[core]!.some((item) => cluster.has(item)));
    const merged = new Set([core, ...reached.flatMap((cluster) => [...cluster])]);
    for (const cluster of reached) clusters.splice(clusters.indexOf(cluster), 1);
    clusters.push(merged);
  }
  return clusters;
};

describe("dbscan", () => {
  test.prop([points, options], { numRuns: 300 })("finds the clusters of the definition", (all, given) => {
    const groups = dbscan(all, given);
    expect(groups.flat().toSorted((a, b) => a - b)).toEqual([...all.keys()]);
    const clusters = coreClusters(all, given);
    const cores = new Set(clusters.flatMap((cluster) => [...cluster]));
    for (const group of groups) {
      const groupCores = group.filter((item) => cores.has(item));
      const border = group.filter((item) => !cores.has(item));
      const cluster = clusters.find((each) => groupCores.some((core) => each.has(core)));
      expect(new Set(groupCores)).toEqual(cluster ?? new Set());
      const isReached = (item: number): boolean =>
        [...cores].some((core) => near(all[item]!, all[core]!, given.epsilon));
      if (cluster === undefined) expect([group.length, isReached(group[0]!)]).toEqual([1, false]);
      else
        expect(
          border.filter((item) => !groupCores.some((core) => near(all[item]!, all[core]!, given.epsilon))),
        ).toEqual([]);
    }
  });

  test.prop([
    points.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length }))),
    options,
  ])("does not depend on the order of items", ([all, order], given) => {
    const shuffled = dbscan(
      order.map((item) => all[item]!),
      given,
    );
    expect(pointsOf(shuffled, (rank) => all[order[rank]!]!)).toEqual(
      pointsOf(dbscan(all, given), (item) => all[item]!),
    );
  });

  it("includes neighbours at exactly epsilon, and counts an item as its own neighbour", () => {
    const row = [[0], [0.5], [1], [3]];
    expect(dbscan(row, { epsilon: 0.5, minimumSamples: 2 })).toEqual([[0, 1, 2], [3]]);
    expect(dbscan(row, { epsilon: 0.49, minimumSamples: 2 })).toEqual([[0], [1], [2], [3]]);
    expect(dbscan(row, { epsilon: 0.5, minimumSamples: 3 })).toEqual([[0, 1, 2], [3]]);
    expect(dbscan(row, { epsilon: 0.5, minimumSamples: 4 })).toEqual([[0], [1], [2], [3]]);
  });

  it("gives an item at the border of two clusters to the same one in any order", () => {
    const row = [[-0.3], [-0.2], [-0.1], [0], [0.5], [1], [1.1], [1.2], [1.3]];
    const given = { epsilon: 0.5, minimumSamples: 4 };
    expect(dbscan(row, given)).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    expect(dbscan(row.toReversed(), given)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7, 8],
    ]);
  });

  it("joins only equal vectors at epsilon 0", () => {
    expect(dbscan([[1], [2], [1]], { epsilon: 0, minimumSamples: 2 })).toEqual([[0, 2], [1]]);
    expect(dbscan([], { epsilon: 0, minimumSamples: 2 })).toEqual([]);
  });

  it.each<[string, readonly number[][], Partial<DbscanOptions>]>([
    ["CLUSTERING_EPSILON", [[1]], { epsilon: -1 }],
    ["CLUSTERING_EPSILON", [[1]], { epsilon: Number.NaN }],
    ["CLUSTERING_MINIMUM_SAMPLES", [[1]], { minimumSamples: 0 }],
    ["CLUSTERING_MINIMUM_SAMPLES", [[1]], { minimumSamples: 1.5 }],
    ["CLUSTERING_LENGTH", [[1], [1, 2]], {}],
    ["CLUSTERING_NOT_FINITE", [[1], [Infinity]], {}],
  ])("rejects bad input: %s", (code, features, change) => {
    const run = (): unknown => dbscan(features, { epsilon: 0.05, minimumSamples: 2, ...change });
    expect(run).toThrow(ClusteringError);
    expect(run).toThrow(expect.objectContaining({ code }));
  });
});

function pointsOf(groups: readonly number[][], pointOf: (item: number) => readonly number[]): string[] {
  return groups
    .map((group) =>
      group
        .map((item) => pointOf(item).join(" "))
        .toSorted()
        .join(", "),
    )
    .toSorted();
}
