import type { TensorBytes } from "@kvtuner/plan";
import type { StoredTensor } from "./stored-tensor.ts";

/** Counts the arrays that are there; the plan's arithmetic has no part in it. */
export const tensorBytes = ({ blocks, exact }: StoredTensor): TensorBytes => {
  const all = blocks.flat();
  return {
    codes: sum(all, ({ codes }) => codes.byteLength),
    scales: sum(all, ({ scales }) => scales.byteLength),
    minima: sum(all, ({ minima }) => minima.byteLength),
    exact: sum([...exact.values()], (row) => row.byteLength),
  };
};

const sum = <Item>(items: readonly Item[], bytes: (item: Item) => number): number =>
  items.reduce((total, item) => total + bytes(item), 0);
