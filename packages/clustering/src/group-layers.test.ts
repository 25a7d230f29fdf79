import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import type { GroupLayersInput } from "./group-layers.ts";
import { ClusteringError, groupLayers } from "./index.ts";

interface Planted {
  readonly features: number[][];
  readonly candidateKeys: string[];
  /** Planted group of each layer. */
  readonly labels: number[];
}

/**
 * Groups of up to five layers, shuffled. Each group is at most 0.05 wide; groups of one candidate set are at least 0.3 apart.
 */
const planted: fc.Arbitrary<Planted> = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 6 })
  .chain((groups) => {
    const labels = groups.flatMap(([, size], label) => Array.from({ length: size }, () => label));
    const jitter = fc.integer({ min: -15, max: 15 }).map((n) => n / 1009);
    return fc.record({
      labels: fc.shuffledSubarray(labels, { minLength: labels.length }),
      jitters: fc.array(fc.tuple(jitter, jitter), { minLength: labels.length, maxLength: labels.length }),
      keys: fc.constant(groups.map(([key]) => key)),
    });
  })
  .map(({ labels, jitters, keys }) => ({
    labels,
    candidateKeys: labels.map((label) => keys[label]!),
    features: labels.map((label, layer) => [0.1 + 0.4 * label + jitters[layer]![0], 0.5 + jitters[layer]![1]]),
  }));

const groupsOf = (labels: readonly number[]): number[][] =>
  [...new Set(labels)].map((label) => [...labels.keys()].filter((layer) => labels[layer] === label));

const dbscanMethod = { kind: "dbscan", epsilon: 0.05, minimumSamples: 2 } as const;

describe("groupLayers", () => {
  test.prop([planted])("finds a planted grouping by DBSCAN, whatever the order of layers", ({ labels, ...layers }) => {
    expect(groupLayers({ ...layers, method: dbscanMethod })).toEqual(groupsOf(labels));
  });

  test.prop([planted])("finds a planted grouping from the number of groups", ({ labels, ...layers }) => {
    const groups = new Set(labels).size;
    expect(groupLayers({ ...layers, method: { kind: "hierarchical", groups } })).toEqual(groupsOf(labels));
  });

  test.prop([
    fc.array(
      fc.tuple(
        fc.constantFrom("a", "b"),
        fc.double({ min: 1e-6, max: 1, noNaN: true }),
        fc.nat(1000).map((n) => n / 1009),
      ),
      { minLength: 2, maxLength: 12 },
    ),
    fc.constantFrom("linear", "log10"),
  ])("never joins layers of different candidates, and gives exactly the requested groups", (layers, scale) => {
    const candidateKeys = layers.map(([key]) => key);
    const features = layers.map(([, ...losses]) => losses);
    for (let groups = new Set(candidateKeys).size; groups <= layers.length; groups++) {
      for (const method of [{ kind: "hierarchical", groups } as const, { ...dbscanMethod, epsilon: groups / 20 }]) {
        const result = groupLayers({ features, candidateKeys, method, scale });
        if (method.kind === "hierarchical") expect(result).toHaveLength(groups);
        expect(result.flat().toSorted((a, b) => a - b)).toEqual([...layers.keys()]);
        for (const group of result) expect(new Set(group.map((layer) => candidateKeys[layer])).size).toBe(1);
      }
    }
  });

  it("cuts all partitions at one height, also when their vectors differ in length", () => {
    const layers = {
      features: [[0], [0.1], [0, 0], [0.2, 0.2], [0, 0.13]],
      candidateKeys: ["one", "one", "two", "two", "two"],
    };
    const at = (groups: number): number[][] => groupLayers({ ...layers, method: { kind: "hierarchical", groups } });
    expect(at(2)).toEqual([
      [0, 1],
      [2, 3, 4],
    ]);
    expect(at(3)).toEqual([[0, 1], [2, 4], [3]]);
    // Root mean square differences: layers 2 and 4, 0.13 / sqrt(2) = 0.092; layers 0 and 1, 0.1.
    expect(at(4)).toEqual([[0], [1], [2, 4], [3]]);
  });

  it("compares losses by ratio on a logarithmic scale", () => {
    const layers = { features: [[0.001], [0.01], [0.5], [0.6], [0]], candidateKeys: Array<string>(5).fill("") };
    const method = { ...dbscanMethod, epsilon: 0.1 };
    expect(groupLayers({ ...layers, method })).toEqual([
      [0, 1, 4],
      [2, 3],
    ]);
    expect(groupLayers({ ...layers, method, scale: "log10" })).toEqual([[0], [1], [2, 3], [4]]);
  });

  it.each<[string, Partial<GroupLayersInput>]>([
    ["CLUSTERING_LENGTH", { candidateKeys: ["a"] }],
    ["CLUSTERING_LENGTH", { features: [[1], [1, 2], [3]] }],
    ["CLUSTERING_NOT_FINITE", { features: [[1], [2], [Number.NaN]] }],
    ["CLUSTERING_GROUP_COUNT", { method: { kind: "hierarchical", groups: 1 } }],
    ["CLUSTERING_GROUP_COUNT", { method: { kind: "hierarchical", groups: 4 } }],
  ])("rejects bad input: %s", (code, change) => {
    const input = { features: [[1], [2], [3]], candidateKeys: ["a", "a", "b"], method: dbscanMethod, ...change };
    expect(() => groupLayers(input)).toThrow(ClusteringError);
    expect(() => groupLayers(input)).toThrow(expect.objectContaining({ code }));
  });

  it("compares only layers with the same candidates", () => {
    const input = { features: [[1], [1, 2], [1]], candidateKeys: ["a", "b", "a"], method: dbscanMethod };
    expect(groupLayers(input)).toEqual([[0, 2], [1]]);
    expect(() => groupLayers({ ...input, candidateKeys: ["a", "b", "b"] })).toThrow(
      /2 numbers for item 1 and 1 for item 2/,
    );
  });
});
