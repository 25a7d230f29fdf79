import type { StateStore } from "./forward-states.ts";
import type { SampleRows } from "./sample-rows.ts";

/** Rows in a {@link StateStore}. */
export interface HeldRows {
  /** Passes on the rows, which may be used until `work` is done and must not be changed. */
  use<Result>(work: (rows: SampleRows) => Promise<Result>): Promise<Result>;
  /** Frees their place. */
  release(): void;
}

/** Rows by the names of tensors. */
export type HeldByName = Readonly<Record<string, HeldRows>>;

/** Gives rows to a store. */
export const holdRows = async (store: StateStore, { data, ...sizes }: SampleRows): Promise<HeldRows> => {
  const held = await store.hold([data]);
  return {
    use: (work) => held.use(async ([numbers]) => work({ ...sizes, data: numbers! })),
    release: held.release,
  };
};

/** Gives rows to a store one after another. */
export const holdByName = async (
  store: StateStore,
  rows: Readonly<Record<string, SampleRows>>,
): Promise<HeldByName> => {
  const held: Record<string, HeldRows> = {};
  for (const [name, own] of Object.entries(rows)) held[name] = await holdRows(store, own);
  return held;
};

/** Passes on rows by name. */
export const useByName = async <Result>(
  held: HeldByName,
  work: (rows: Readonly<Record<string, SampleRows>>) => Promise<Result>,
): Promise<Result> => {
  const [first, ...others] = Object.entries(held);
  if (first === undefined) return work({});
  const [name, one] = first;
  return one.use((own) => useByName(Object.fromEntries(others), (rows) => work({ [name]: own, ...rows })));
};

/** Frees the places of rows. */
export const releaseByName = (held: HeldByName): void => {
  for (const one of Object.values(held)) one.release();
};
