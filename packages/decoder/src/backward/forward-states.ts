import { holeShape, holesOf, modelLayers } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { tiledCalls } from "../attention/query-tiles.ts";
import type { Decoder } from "../decoder.ts";
import { type HoleInputs, holeInputs } from "../hole-inputs.ts";
import type { RowPositions } from "../row-positions.ts";
import type { Tensors } from "../run-into.ts";
import { type Crossing, layerAfter, rowsOf, runRecurrent } from "./recurrent-layers.ts";

/** Arrays in a {@link StateStore}. */
export interface HeldState {
  /** Passes on the arrays, which may be used until `work` is done and must not be changed. */
  use<Result>(work: (arrays: readonly Float32Array[]) => Promise<Result>): Promise<Result>;
  /** Frees their place. */
  release(): void;
}

/** Holds arrays until they are released, in memory or elsewhere. */
export interface StateStore {
  /** Takes over some arrays. */
  hold(arrays: readonly Float32Array[]): Promise<HeldState>;
}

/** A store in memory. */
export const memoryStore: StateStore = {
  hold: async (arrays) => ({ use: async (work) => work(arrays), release: () => undefined }),
};

/** What the backward pass needs of a forward pass over a text. */
export interface ForwardStates {
  /** Tokens of the text. */
  readonly tokens: number;
  readonly positions: RowPositions;
  /** Before each hole: the residuals, the query and, unless the hole shares a cache, key and value; then the attention output. */
  readonly holes: readonly HeldState[];
  /** Of recurrent layers after the first hole, by layer: the residuals before, the output, and the states before each piece. */
  readonly recurrent: ReadonlyMap<number, HeldState>;
  /** The residuals after the last of these holes. */
  readonly last: HeldState;
}

/** Input of a pass. */
export interface ForwardOptions {
  readonly decoder: Decoder;
  readonly texts: readonly ArrayLike<number>[];
  readonly store: StateStore;
  /** Number of holes to pass. */
  readonly holes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs texts with float attention, all of them through a segment before the next, up to a hole or the head. */
export const forwardStates = async (options: ForwardOptions): Promise<ForwardStates[]> => {
  const passes: Pass[] = [];
  for (const text of options.texts) passes.push(await startPass(options.decoder, text));
  for (let hole = 0; hole < options.holes; hole++)
    for (const pass of passes) {
      options.signal?.throwIfAborted();
      await passHole(options, hole, pass);
    }
  return passes.map(({ tokens, positions, holes, recurrent, last }) => ({
    tokens,
    positions,
    holes,
    recurrent,
    last: last!,
  }));
};

/** A text on its way. */
interface Pass {
  readonly tokens: number;
  readonly positions: RowPositions;
  readonly holes: HeldState[];
  readonly recurrent: Map<number, HeldState>;
  /** Keys and values of layers before. */
  readonly caches: Map<number, Pick<HoleArrays, "key" | "value">>;
  next: HoleInputs;
  last?: HeldState;
}

/** Query, key and value of a hole. */
export interface HoleArrays {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

const startPass = async (decoder: Decoder, text: ArrayLike<number>): Promise<Pass> => {
  const positions = decoder.positions(Array.from(text, (_, position) => position));
  const next = await decoder.first(text, positions);
  const rows = next.positions ?? positions;
  return { tokens: text.length, positions: rows, holes: [], recurrent: new Map(), caches: new Map(), next };
};

const passHole = async ({ decoder, store, holes: count }: ForwardOptions, hole: number, pass: Pass): Promise<void> => {
  const holes = holesOf(decoder.shape);
  const { layer, sharing } = holes[hole]!;
  const { residual, query, key, value } = pass.next;
  if (sharing === undefined) pass.caches.set(layer, { key: dataOf(key!), value: dataOf(value!) });
  const cache = pass.caches.get(layer)!;
  const output = await attend(decoder, hole, { query: dataOf(query), ...cache }, pass.tokens);
  const own = sharing === undefined ? [cache.key, cache.value] : [];
  if (!holes.slice(hole + 1).some((later) => later.layer === layer)) pass.caches.delete(layer);
  const hidden = dataOf(residual);
  const crossing = await passRecurrent(decoder, store, hole, pass, { hidden, attention: dataOf(output) });
  const after = await runBefore(decoder, layerAfter(decoder.shape, hole), pass, crossing);
  if (hole < holes.length - 1) pass.next = holeInputs(after);
  if (hole === count - 1) pass.last = await store.hold([dataOf(after["residual"]!)]);
  pass.holes.push(await store.hold([dataOf(residual), dataOf(query), dataOf(output), ...own]));
};

/** Passes the recurrent layers after a hole. */
const passRecurrent = async (
  decoder: Decoder,
  store: StateStore,
  hole: number,
  { tokens, recurrent }: Pass,
  before: Crossing,
): Promise<Crossing> => {
  let crossing = before;
  const end = layerAfter(decoder.shape, hole);
  for (let layer = modelLayers(decoder.shape)[hole]! + 1; layer < end; layer++) {
    const { states, ...after } = await runRecurrent(decoder, layer, crossing, tokens);
    recurrent.set(layer, await store.hold([after.hidden, after.attention, ...states]));
    crossing = after;
  }
  return crossing;
};

/** Runs the segment before a layer that attends, or after the last layer. */
const runBefore = async (
  { segments }: Decoder,
  layer: number,
  { tokens, positions }: Pass,
  { hidden, attention }: Crossing,
): Promise<Tensors> =>
  segments.run(layer, {
    hidden: rowsOf(hidden, tokens, 0, tokens),
    attention: rowsOf(attention, tokens, 0, tokens),
    ...segments.positionInputs(positions, layer),
  });

const dataOf = ({ data }: Tensor): Float32Array => data as Float32Array;

const attend = async (
  { attention, shape }: Decoder,
  hole: number,
  inputs: HoleArrays,
  tokens: number,
): Promise<Tensor> => {
  const { queryHeads, headSize, valueSize = headSize } = holeShape(shape, holesOf(shape)[hole]!);
  const width = queryHeads * valueSize;
  const output = new Float32Array(tokens * width);
  for (const { first, end, call } of tiledCalls(inputs, { to: tokens, span: attention.span(hole) }))
    await attention.run(hole, call, output.subarray(first * width, end * width));
  return new Tensor("float32", output, [tokens, width]);
};
