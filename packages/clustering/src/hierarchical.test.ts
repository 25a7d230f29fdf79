import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { ClusteringError, dendrogram, hierarchical, type Dendrogram } from "./index.ts";

const nodesOf = (tree: Dendrogram): Dendrogram[] => [tree, ...tree.children.flatMap(nodesOf)];

const vector = fc.tuple(
  fc.nat(1000).map((n) => n / 1009),
  fc.integer({ min: 0, max: 4 }),
);
const features = fc.array(vector, { minLength: 1, maxLength: 12 });

/** Largest distance inside a group. */
const diameter = (all: readonly (readonly number[])[], group: readonly number[]): number =>
  Math.max(
    0,
    ...group.flatMap((a) => group.map((b) => Math.hypot(all[a]![0]! - all[b]![0]!, all[a]![1]! - all[b]![1]!))),
  );

describe("hierarchical", () => {
  it("splits a row of numbers where the gaps are", () => {
    const row = [[10], [1], [11], [2], [30]];
    expect(hierarchical(row, 1)).toEqual([[0, 1, 2, 3, 4]]);
    expect(hierarchical(row, 2)).toEqual([[0, 1, 2, 3], [4]]);
    expect(hierarchical(row, 3)).toEqual([[0, 2], [1, 3], [4]]);
    expect(hierarchical(row, 5)).toEqual([[0], [1], [2], [3], [4]]);
  });

  test.prop([features])("makes any number of groups, each level a refinement whose widest group is no wider", (all) => {
    let coarser = hierarchical(all, 1);
    for (let count = 2; count <= all.length; count++) {
      const groups = hierarchical(all, count);
      expect(groups).toHaveLength(count);
      expect(groups.flat().toSorted((a, b) => a - b)).toEqual([...all.keys()]);
      const isInOne = groups.every((group) => coarser.some((wide) => group.every((item) => wide.includes(item))));
      expect(isInOne).toBe(true);
      const widest = (list: readonly number[][]): number => Math.max(...list.map((group) => diameter(all, group)));
      expect(widest(groups)).toBeLessThanOrEqual(widest(coarser));
      coarser = groups;
    }
  });

  test.prop([
    fc
      .uniqueArray(vector, { minLength: 1, maxLength: 12, selector: ([x, y]) => `${x} ${y}` })
      .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length }))),
    fc.nat(),
  ])("does not depend on the order of items", ([all, order], seed) => {
    const count = 1 + (seed % all.length);
    const shuffled = hierarchical(
      order.map((item) => all[item]!),
      count,
    ).map((group) => group.map((rank) => order[rank]!).toSorted((a, b) => a - b));
    expect(shuffled.toSorted((a, b) => a[0]! - b[0]!)).toEqual(hierarchical(all, count));
  });

  it.each([0, 3, 1.5, Number.NaN])("rejects %s groups of two items", (count) => {
    expect(() => hierarchical([[1], [2]], count)).toThrow(ClusteringError);
    expect(() => hierarchical([[1], [2]], count)).toThrow(/integer from 1 to 2/);
  });

  it("makes no groups of no items", () => {
    expect(hierarchical([], 0)).toEqual([]);
  });
});

describe("dendrogram", () => {
  test.prop([features])("is as high at each node as its two most different items, the root mean square", (all) => {
    const tree = dendrogram(all);
    expect(tree.items.toSorted((a, b) => a - b)).toEqual([...all.keys()]);
    for (const { items, height, children } of nodesOf(tree)) {
      expect(height).toBeCloseTo(diameter(all, items) / Math.sqrt(2), 9);
      if (items.length > 1) expect(children.flatMap((child) => child.items)).toEqual(items);
    }
  });

  it.each([[[]], [[[1], [Number.NaN]]], [[[1], [1, 2]]]])("rejects %j", (bad) => {
    expect(() => dendrogram(bad)).toThrow(ClusteringError);
  });
});
