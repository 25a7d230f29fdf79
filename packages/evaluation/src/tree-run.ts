import type { Decoder, HoleInputs, RowPositions } from "@kvtuner/decoder";
import type { LayerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { PrefixNode } from "./prefix-sharing.ts";
import type { SampleAttention, SampleTensors } from "./sample-attention.ts";

/** How one layer's hole is filled; `undefined` is the float32 cache. */
export type Filling = LayerScheme | undefined;

/** A {@link SampleAttention} that may treat each sample differently. */
export interface TreeAttention {
  /** As in {@link SampleAttention}, for the sample with this index. */
  layer(layer: number, tensors: SampleTensors, sample: number): ReturnType<SampleAttention["layer"]>;
}

/** Input of a pass over all samples. */
export interface TreeRun {
  readonly decoder: Decoder;
  readonly samples: readonly Int32Array[];
  readonly attention: TreeAttention;
  /** Positions of each sample's rows. */
  readonly positions: readonly RowPositions[];
  /** Aborts between two layers. */
  readonly signal?: AbortSignal;
  /** Receives the samples' last residuals, `[tokens, hiddenSize]` each, for the sequences that end there. */
  readonly finish: (residuals: readonly Float32Array[], ends: readonly number[]) => Promise<void>;
}

/** States of all samples before a layer, and the branches that start there. */
interface Place {
  readonly node: PrefixNode<Filling>;
  readonly layer: number;
  readonly holes: readonly HoleInputs[];
}

/**
 * Runs all samples through every sequence of fillings in a prefix tree, depth first. Every branch at a layer starts from the
 * same states. States are held only until their last branch starts, so a single sequence holds one.
 */
export const runTree = async (run: TreeRun, tree: PrefixNode<Filling>): Promise<void> => {
  const holes: HoleInputs[] = [];
  for (const [sample, ids] of run.samples.entries()) holes.push(await run.decoder.first(ids, run.positions[sample]!));
  await descend(run, { node: tree, layer: 0, holes });
};

const descend = async (run: TreeRun, start: Place): Promise<void> => {
  let place: Place | undefined = start;
  while (place) place = await takeBranches(run, place);
};

/** Follows every branch except the last, whose place it returns so that nothing is held for it higher up. */
const takeBranches = async (run: TreeRun, { node, layer, holes }: Place): Promise<Place | undefined> => {
  const attend = holes.map((hole, sample) => run.attention.layer(layer, tensorsOf(hole), sample));
  for (const { step, next } of node.branches) {
    run.signal?.throwIfAborted();
    const pass = async (hole: HoleInputs, sample: number): Promise<Tensor> =>
      new Tensor("float32", await attend[sample]!(step), hole.query.dims);
    if (layer === run.decoder.shape.layers - 1) await run.finish(await lastResiduals(run, holes, pass), next.ends);
    else {
      const place = { node: next, layer: layer + 1, holes: await nextHoles(run, layer, holes, pass) };
      if (next === node.branches.at(-1)?.next) return place;
      await descend(run, place);
    }
  }
  return undefined;
};

type Pass = (hole: HoleInputs, sample: number) => Promise<Tensor>;

const nextHoles = async (
  run: TreeRun,
  layer: number,
  holes: readonly HoleInputs[],
  pass: Pass,
): Promise<HoleInputs[]> => {
  const next: HoleInputs[] = [];
  for (const [sample, hole] of holes.entries())
    next.push(await run.decoder.next(layer, hole.residual, await pass(hole, sample), run.positions[sample]!));
  return next;
};

const lastResiduals = async (run: TreeRun, holes: readonly HoleInputs[], pass: Pass): Promise<Float32Array[]> => {
  const residuals: Float32Array[] = [];
  for (const [sample, hole] of holes.entries())
    residuals.push((await run.decoder.last(hole.residual, await pass(hole, sample))).data as Float32Array);
  return residuals;
};

const tensorsOf = ({ query, key, value }: HoleInputs): SampleTensors => ({
  query: query.data as Float32Array,
  key: key.data as Float32Array,
  value: value.data as Float32Array,
});
