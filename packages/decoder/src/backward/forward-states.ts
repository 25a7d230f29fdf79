import { holeShape, holesOf } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { causalMask, CHUNK_ROWS } from "../attention/float-attention.ts";
import type { Decoder } from "../decoder.ts";
import type { HoleInputs } from "../hole-inputs.ts";
import type { RowPositions } from "../row-positions.ts";

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
  /** The last residuals. */
  readonly last: HeldState;
}

/** Input of a pass. */
export interface ForwardOptions {
  readonly decoder: Decoder;
  readonly texts: readonly ArrayLike<number>[];
  readonly store: StateStore;
  readonly signal?: AbortSignal | undefined;
}

/** Runs texts with float attention, all of them through a segment before the next. */
export const forwardStates = async ({ decoder, texts, store, signal }: ForwardOptions): Promise<ForwardStates[]> => {
  const passes: Pass[] = [];
  for (const text of texts) passes.push(await startPass(decoder, text));
  for (let hole = 0; hole < holesOf(decoder.shape).length; hole++)
    for (const pass of passes) {
      signal?.throwIfAborted();
      await passHole(decoder, store, hole, pass);
    }
  return passes.map(({ tokens, positions, holes, last }) => ({ tokens, positions, holes, last: last! }));
};

/** A text on its way. */
interface Pass {
  readonly tokens: number;
  readonly positions: RowPositions;
  readonly holes: HeldState[];
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
  return { tokens: text.length, positions: next.positions ?? positions, holes: [], caches: new Map(), next };
};

const passHole = async (decoder: Decoder, store: StateStore, hole: number, pass: Pass): Promise<void> => {
  const holes = holesOf(decoder.shape);
  const { layer, sharing } = holes[hole]!;
  const { residual, query, key, value } = pass.next;
  if (sharing === undefined) pass.caches.set(layer, { key: dataOf(key!), value: dataOf(value!) });
  const cache = pass.caches.get(layer)!;
  const output = await attend(decoder, hole, { query: dataOf(query), ...cache }, pass.tokens);
  const own = sharing === undefined ? [cache.key, cache.value] : [];
  if (!holes.slice(hole + 1).some((later) => later.layer === layer)) pass.caches.delete(layer);
  if (hole === holes.length - 1)
    pass.last = await store.hold([dataOf(await decoder.last(residual, output, pass.positions))]);
  else pass.next = await decoder.next(hole, residual, output, pass.positions);
  pass.holes.push(await store.hold([dataOf(residual), dataOf(query), dataOf(output), ...own]));
};

const dataOf = ({ data }: Tensor): Float32Array => data as Float32Array;

const attend = async (
  { attention, shape }: Decoder,
  hole: number,
  { query, key, value }: HoleArrays,
  tokens: number,
): Promise<Tensor> => {
  const { queryHeads, headSize, valueSize = headSize } = holeShape(shape, holesOf(shape)[hole]!);
  const width = queryHeads * valueSize;
  const output = new Float32Array(tokens * width);
  const span = attention.span(hole);
  for (let first = 0; first < tokens; first += CHUNK_ROWS) {
    const end = Math.min(tokens, first + CHUNK_ROWS);
    const start = Math.max(0, first + 1 - span);
    const rowsOf = (array: Float32Array, from: number): Float32Array =>
      array.subarray((array.length / tokens) * from, (array.length / tokens) * end);
    const call = {
      query: rowsOf(query, first),
      key: rowsOf(key, start),
      value: rowsOf(value, start),
      mask: causalMask(first - start, end - first, span),
    };
    await attention.run(hole, call, output.subarray(first * width, end * width));
  }
  return new Tensor("float32", output, [tokens, width]);
};
