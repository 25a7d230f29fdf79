import type { Decoder, HoleInputs, RowPositions } from "@kvtuner/decoder";
import { type CacheShape, holeShape, holesOf, type LayerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { type ActivationStore, type Held, storeScope } from "./activation-store.ts";
import { type PrefixNode, prefixTree } from "./prefix-sharing.ts";
import type { FillHole, SampleTensors } from "./sample-attention.ts";

/** How one layer's hole is filled; `undefined` is the float32 cache. */
export type Filling = LayerScheme | undefined;

/** A `SampleAttention` that may treat each sample differently. */
export interface TreeAttention {
  /** As in `SampleAttention`, for the sample with this index. */
  layer(hole: number, tensors: SampleTensors, sample: number): FillHole;
}

/** The tree of some plans, `[plan][layer]`. A layer that shares a cache is filled like the one that stores it. */
export const planTree = (shape: CacheShape, plans: readonly (readonly Filling[])[]): PrefixNode<Filling> => {
  const holes = holesOf(shape);
  return prefixTree(
    plans.map((plan) => holes.map(({ layer }) => plan[layer])),
    (filling) => JSON.stringify(filling) ?? "float",
  );
};

/** Sequences of fillings that end in the same states. */
export interface Finished {
  /** Indices of the sequences. */
  readonly ends: readonly number[];
  /** Last residuals of each sample, one array `[tokens, hiddenSize]` each. Released after `finish`. */
  readonly residuals: readonly Held[];
}

/** Input of a pass over all samples. */
export interface TreeRun {
  readonly decoder: Pick<Decoder, "config" | "shape" | "first" | "next" | "last">;
  readonly samples: readonly Int32Array[];
  readonly attention: TreeAttention;
  /** Positions of each sample's rows. */
  readonly positions: readonly RowPositions[];
  /** Holds states between two layers. */
  readonly store: ActivationStore;
  /** Branches that go through a segment before any goes through the next; at least 1. */
  readonly width: number;
  /** Aborts between two layers. */
  readonly signal?: AbortSignal | undefined;
  /** Receives up to `width` finished sequences at once, in the order of the tree. */
  readonly finish: (finished: readonly Finished[]) => Promise<void>;
}

/** States of all samples before a hole, and the branches that start there. */
interface Place {
  readonly node: PrefixNode<Filling>;
  /**
   * Residual, query, key and value of each sample, and the keys and values that later holes share, as {@link carriedTo} lists
   * them; after the last hole the residual.
   */
  readonly states: readonly Held[];
}

/** Some branches of a place. */
interface Fork {
  readonly place: Place;
  readonly branches: PrefixNode<Filling>["branches"];
  /** Whether nothing else starts at this place. */
  readonly isLast: boolean;
}

/**
 * Runs all samples through every sequence of fillings in a prefix tree. Up to `width` branches go through the layers together, all
 * through one segment before the next, and those that follow wait. Every branch at a layer starts from the same states. States
 * are held only until their last branch starts, so a single sequence holds one.
 */
export const runTree = async (run: TreeRun, tree: PrefixNode<Filling>): Promise<void> => {
  const scope = storeScope(run.store);
  try {
    const scoped: ScopedRun = { ...run, positions: [...run.positions], hold: scope.hold, widths: new Map() };
    if (tree.branches.length > 0) await descend(scoped, 0, [await firstPlace(scoped, tree)]);
  } finally {
    scope.releaseAll();
  }
};

/** A run whose states are released at its end. */
interface ScopedRun extends TreeRun {
  /** Of each sample; after the first segment, those that it gives to the later ones. */
  readonly positions: RowPositions[];
  readonly hold: ActivationStore["hold"];
  /** Numbers per row of a hole's tensors, by the sizes of its layer; known once there was such a hole. */
  readonly widths: Map<string, Readonly<Partial<Record<TensorName, number>>>>;
}

const TENSORS = ["residual", "query", "key", "value"] as const;
type TensorName = (typeof TENSORS)[number];

const firstPlace = async (
  { decoder, samples, positions, hold }: ScopedRun,
  node: PrefixNode<Filling>,
): Promise<Place> => {
  const states: Held[] = [];
  for (const [sample, ids] of samples.entries()) {
    const first = await decoder.first(ids, positions[sample]!);
    positions[sample] = first.positions ?? positions[sample]!;
    states.push(await hold(arraysOf(first)));
  }
  return { node, states };
};

const descend = async (run: ScopedRun, hole: number, places: readonly Place[]): Promise<void> => {
  const isLast = hole === holesOf(run.decoder.shape).length - 1;
  for (const group of groupedForks(places, run.width)) {
    const next = await passSegment(run, hole, group);
    if (isLast) await finishPlaces(run, next);
    else await descend(run, hole + 1, next);
  }
};

/** Layers before a hole whose keys and values it or a later one shares. */
const carriedTo = (shape: CacheShape, hole: number): number[] => {
  const holes = holesOf(shape);
  const shared = new Set(holes.slice(hole).flatMap(({ layer, sharing }) => (sharing === undefined ? [] : [layer])));
  const before = holes.slice(0, hole).filter(({ sharing }) => sharing === undefined);
  return before.map(({ layer }) => layer).filter((layer) => shared.has(layer));
};

/**
 * The state before a hole, from that before the hole in front of it and what the segment between them gives. No array belongs to
 * both: each is used again once its state is released.
 */
const stateBefore = (
  shape: CacheShape,
  hole: number,
  store: ActivationStore,
  previous: readonly Float32Array[],
  [residual, query, ...own]: readonly Float32Array[],
): Float32Array[] => {
  const holes = holesOf(shape);
  const carried = carriedTo(shape, hole - 1);
  const stored = (layer: number): readonly Float32Array[] => {
    const place = holes[hole - 1]!.layer === layer ? 2 : 4 + 2 * carried.indexOf(layer);
    return previous.slice(place, place + 2).map((array) => {
      const copy = store.take(array.length);
      copy.set(array);
      return copy;
    });
  };
  const { layer, sharing } = holes[hole]!;
  const read = sharing === undefined ? own : stored(layer);
  return [residual!, query!, ...read, ...carriedTo(shape, hole).flatMap(stored)];
};

const finishPlaces = async (run: ScopedRun, places: readonly Place[]): Promise<void> => {
  await run.finish(places.map(({ node, states }) => ({ ends: node.ends, residuals: states })));
  for (const { states } of places) for (const state of states) state.release();
};

/** Cuts the branches of places, in order, into groups of at most `width`. */
const groupedForks = (places: readonly Place[], width: number): Fork[][] => {
  const groups: Fork[][] = [];
  let room = 0;
  for (const place of places) {
    const { branches } = place.node;
    for (let start = 0; start < branches.length;) {
      if (room === 0) {
        groups.push([]);
        room = width;
      }
      const end = Math.min(branches.length, start + room);
      groups.at(-1)!.push({ place, branches: branches.slice(start, end), isLast: end === branches.length });
      room -= end - start;
      start = end;
    }
  }
  return groups;
};

/** Fills a hole for each branch and runs the segment after it. */
const passSegment = async (run: ScopedRun, hole: number, forks: readonly Fork[]): Promise<Place[]> => {
  const places: Place[] = [];
  for (const { place, branches, isLast } of forks) {
    const next = branches.map(({ next: node }) => ({ node, states: [] as Held[] }));
    for (const [sample, state] of place.states.entries()) {
      await state.use(async (arrays) => {
        const fill = run.attention.layer(hole, tensorsOf(arrays), sample);
        for (const [index, { step }] of branches.entries()) {
          run.signal?.throwIfAborted();
          next[index]!.states.push(await passHole(run, hole, sample, arrays, (output) => fill(step, output)));
        }
      });
      if (isLast) state.release();
    }
    places.push(...next);
  }
  return places;
};

const passHole = async (
  run: ScopedRun,
  hole: number,
  sample: number,
  state: readonly Float32Array[],
  fill: (output: Float32Array) => Promise<void>,
): Promise<Held> => {
  const [residual] = state;
  const rows = run.samples[sample]!.length;
  const {
    queryHeads,
    headSize,
    valueSize = headSize,
  } = holeShape(run.decoder.shape, holesOf(run.decoder.shape)[hole]!);
  const filled = run.store.take(rows * queryHeads * valueSize);
  await fill(filled);
  const tensor = (data: Float32Array): Tensor => new Tensor("float32", data, [rows, data.length / rows]);
  const after = await runSegment(run, hole, sample, state, tensor(residual!), tensor(filled));
  run.store.give(filled);
  return run.hold(after);
};

/** The state after a hole, in memory that was used before where its sizes are known. */
const runSegment = async (
  { decoder, positions, widths, store }: ScopedRun,
  hole: number,
  sample: number,
  state: readonly Float32Array[],
  hidden: Tensor,
  attention: Tensor,
): Promise<readonly Float32Array[]> => {
  const { shape } = decoder;
  const following = holesOf(shape)[hole + 1];
  if (following === undefined) {
    const residual = await decoder.last(
      hidden,
      attention,
      positions[sample]!,
      store.take(hidden.dims[0]! * decoder.config.hiddenSize),
    );
    return [residual.data as Float32Array];
  }
  const rows = hidden.dims[0]!;
  const key = JSON.stringify([holeShape(shape, following), following.sharing !== undefined]);
  const arrays = Object.entries(widths.get(key) ?? {}).map(
    ([name, width]) => [name, store.take(rows * width)] as const,
  );
  const into = arrays.length > 0 ? Object.fromEntries(arrays) : undefined;
  const next = await decoder.next(hole, hidden, attention, positions[sample]!, into);
  widths.set(key, widthsOf(next, rows));
  return stateBefore(shape, hole + 1, store, state, arraysOf(next));
};

const widthsOf = (tensors: HoleInputs, rows: number): Partial<Record<TensorName, number>> =>
  Object.fromEntries(
    TENSORS.flatMap((name) => {
      const tensor = tensors[name];
      return tensor ? [[name, tensor.size / rows]] : [];
    }),
  );

const arraysOf = (tensors: HoleInputs): Float32Array[] => TENSORS.map((name) => tensors[name]?.data as Float32Array);

const tensorsOf = ([, query, key, value]: readonly Float32Array[]): SampleTensors => ({
  query: query!,
  key: key!,
  value: value!,
});
