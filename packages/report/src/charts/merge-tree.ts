import { dendrogram, type Dendrogram } from "@kvtuner/clustering";
import { lossVector, type Profile } from "@kvtuner/sensitivity";

/** Two branches that meet: where, and the layers of each. */
export interface Merge {
  /** Positions of the two branches and of their midpoint. Layers stand at whole numbers. */
  readonly from: number;
  readonly to: number;
  readonly middle: number;
  /** Heights of the branches and of their meeting point: the largest difference between two layers below. */
  readonly fromHeight: number;
  readonly toHeight: number;
  readonly height: number;
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** A tree laid out: leaves in order, and merges from the lowest. */
export interface MergeTree {
  readonly order: readonly number[];
  readonly merges: readonly Merge[];
}

/** Merge tree of layers by how much their attention output suffers from each pair. Similar layers meet low. */
export const mergeTree = ({ layers }: Profile): MergeTree => {
  const vectors = layers.map((layer) =>
    lossVector(
      layer,
      layer.candidates.map(({ id }) => id),
    ),
  );
  const merges: Merge[] = [];
  const order: number[] = [];
  place(dendrogram(vectors), order, merges);
  return { order, merges: merges.toSorted((one, other) => one.height - other.height || one.from - other.from) };
};

/** Lays out a node, the branch with the smallest layer first. Returns the node's position. */
const place = ({ items, height, children }: Dendrogram, order: number[], merges: Merge[]): number => {
  const [left, right] = children.toSorted((one, other) => Math.min(...one.items) - Math.min(...other.items));
  if (left === undefined || right === undefined) return order.push(items[0] ?? 0) - 1;
  const from = place(left, order, merges);
  const to = place(right, order, merges);
  const middle = (from + to) / 2;
  merges.push({
    from,
    to,
    middle,
    height,
    fromHeight: left.height,
    toHeight: right.height,
    left: left.items,
    right: right.items,
  });
  return middle;
};
