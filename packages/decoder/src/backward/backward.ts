import { type CacheShape, holesOf, holeShape, modelLayers } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import type { Decoder } from "../decoder.ts";
import type { Tensors } from "../run-into.ts";
import { MIXED, pastOf } from "../segments/mixers/mixer-ports.ts";
import type { CreateSession } from "../session.ts";
import { type AttentionVjp, type CacheGradients, createAttentionVjp } from "./attention-vjp.ts";
import { type ForwardStates, forwardStates, type HoleArrays, memoryStore, type StateStore } from "./forward-states.ts";
import { createHeadVjp, type LogitCotangent } from "./head-vjp.ts";
import { type HeldByName, type HeldRows, holdByName, releaseByName, useByName } from "./held-rows.ts";
import { layerAfter, rowsOf } from "./recurrent-layers.ts";
import { runRecurrentVjp } from "./recurrent-vjp.ts";
import { type SampleRows, zeroRows } from "./sample-rows.ts";
import { runSegmentVjp, type SegmentCall } from "./segment-vjp.ts";
import { turnedBack } from "./turn-back.ts";
import { openVjp } from "./vjp-model.ts";

/** Input of {@link backward}. */
export interface BackwardOptions {
  readonly decoder: Decoder;
  /** Compiles the graphs of the backward pass. */
  readonly createSession: CreateSession;
  /** Token ids. */
  readonly texts: readonly ArrayLike<number>[];
  /** Scalar functions of the logits whose gradients are computed at once, from one forward computation. */
  readonly samples: number;
  readonly cotangent: LogitCotangent;
  /** Holds the states of the forward pass and the cotangents of texts that wait; in memory by default. */
  readonly store?: StateStore;
  /**
   * Whether the gradients of query, key and value of the first hole are wanted too; true by default. Those of later holes are a
   * by-product.
   */
  readonly reachesFirst?: boolean;
  /** Lets a later pass with the same options go on where this one was cut short. */
  readonly checkpoint?: BackwardCheckpoint;
  /** Aborts between two steps. */
  readonly signal?: AbortSignal;
}

/** Cotangents between two holes by the names of tensors, each float32 `[samples, tokens, width]`. */
export type CotangentArrays = Readonly<Record<string, Float32Array>>;

/** Where a pass goes on. */
export interface KeptCotangents {
  /** The hole that was passed last; the number of all holes if only the head was. */
  readonly hole: number;
  /** What was kept there of a text. */
  readonly read: (text: number) => Promise<CotangentArrays>;
}

/** Keeps cotangents where a pass can go on. */
export interface BackwardCheckpoint {
  /** The place to go on; undefined starts at the head. */
  readonly kept?: KeptCotangents | undefined;
  /**
   * Called for each text in order when all of them passed a hole; once all are kept, those of holes before are not needed. Not
   * called between holes that share a cache. The arrays are valid until it resolves.
   */
  keep(hole: number, text: number, arrays: CotangentArrays): Promise<void>;
}

/** Gradients at one hole for one text, each float32 `[samples, tokens, heads * size]`. */
export interface HoleGradients {
  /** Ordinal among all layers with attention, also those that share a cache. */
  readonly hole: number;
  /** Index of the text. */
  readonly text: number;
  /** Query, key and value after RoPE, and the attention output, `[tokens, heads * size]`; valid until the next step. */
  readonly state: HoleArrays & { readonly output: Float32Array };
  /** Of the attention output, before the output projection. */
  readonly output: Float32Array;
  /** Of the query, key and value after RoPE. Those of a cache that others share are complete at the hole that stores it. */
  readonly query?: Float32Array;
  readonly key?: Float32Array;
  readonly value?: Float32Array;
  /**
   * Computes the gradient of the key before RoPE, after its norm if it has one. Absent for exported models, whose graphs hold RoPE.
   */
  keyBeforeRope?(): Float32Array;
}

/**
 * Gradients of scalar functions of the logits, from the last hole to the first, and for each hole from the first text to the last.
 * Runs the texts forward with float attention, then backward. Only one layer's weights are in use at a time.
 *
 * @throws BackwardError `BACKWARD_UNSUPPORTED` for a model with an operator whose derivative is not known
 */
export async function* backward(options: BackwardOptions): AsyncGenerator<HoleGradients> {
  const { decoder, createSession, signal, store = memoryStore, texts, checkpoint } = options;
  const kept = checkpoint?.kept;
  const holes = kept?.hole ?? holesOf(decoder.shape).length;
  const states = await forwardStates({ decoder, texts, store, holes, signal });
  const passes = kept
    ? await keptPasses({ ...options, store }, kept, states)
    : await headPasses({ ...options, store }, states);
  const attention = await createAttentionVjp(decoder.shape, createSession);
  try {
    if (!kept) await keepPasses(options, holes, passes);
    for (let hole = holes - 1; hole >= 0; hole--) {
      yield* passHole({ ...options, store }, attention, hole, passes);
      if (hole > 0) await keepPasses(options, hole, passes);
    }
  } finally {
    await attention.dispose();
    for (const pass of passes) releaseByName(pass.cotangents);
    for (const { holes: held, recurrent, last } of states)
      for (const one of [...held, ...recurrent.values(), last]) one.release();
  }
}

/** Options with their defaults. */
type Backward = BackwardOptions & { readonly store: StateStore };

/** A text on its way back. */
interface Pass {
  readonly states: ForwardStates;
  readonly text: number;
  /** Of the outputs of the segment that comes next, by their names. */
  cotangents: HeldByName;
  /** Of the keys and values of layers whose holes are not all passed. */
  readonly caches: Map<number, CacheGradients>;
}

/** Starts with the gradients of the last residuals of each text. */
const headPasses = async (
  { decoder, createSession, samples, cotangent, store, signal }: Backward,
  states: readonly ForwardStates[],
): Promise<Pass[]> => {
  const head = await createHeadVjp(decoder, createSession);
  try {
    const passes: Pass[] = [];
    for (const [text, own] of states.entries()) {
      signal?.throwIfAborted();
      const residual = await own.last.use(async ([last]) => head.run(text, last!, samples, cotangent));
      passes.push(await startPass(store, own, text, { residual }));
    }
    return passes;
  } finally {
    await head.dispose();
  }
};

const startPass = async (
  store: StateStore,
  states: ForwardStates,
  text: number,
  cotangents: Readonly<Record<string, SampleRows>>,
): Promise<Pass> => ({ states, text, cotangents: await holdByName(store, cotangents), caches: new Map() });

/** Goes on where an earlier pass was cut short. */
const keptPasses = async (
  { samples, store }: Backward,
  { read }: KeptCotangents,
  states: readonly ForwardStates[],
): Promise<Pass[]> => {
  const passes: Pass[] = [];
  for (const [text, own] of states.entries()) {
    const rows = ([name, data]: readonly [string, Float32Array]): readonly [string, SampleRows] => [
      name,
      { samples, rows: own.tokens, width: data.length / (samples * own.tokens), data },
    ];
    const arrays = Object.entries(await read(text)).map(rows);
    passes.push(await startPass(store, own, text, Object.fromEntries(arrays)));
  }
  return passes;
};

/** Keeps the cotangents above a hole, unless those of a cache that others share are not complete there. */
const keepPasses = async (
  { checkpoint, signal }: BackwardOptions,
  hole: number,
  passes: readonly Pass[],
): Promise<void> => {
  if (!checkpoint || passes.some(({ caches }) => caches.size > 0)) return;
  for (const { text, cotangents } of passes) {
    signal?.throwIfAborted();
    await useByName(cotangents, async (rows) =>
      checkpoint.keep(hole, text, Object.fromEntries(Object.entries(rows).map(([name, { data }]) => [name, data]))),
    );
  }
};

async function* passHole(
  options: Backward,
  attention: AttentionVjp,
  hole: number,
  passes: readonly Pass[],
): AsyncGenerator<HoleGradients> {
  const before = modelLayers(options.decoder.shape)[hole]!;
  for (let layer = layerAfter(options.decoder.shape, hole); layer > before; layer--)
    await passSegment(options, { hole, layer }, passes);
  for (const pass of passes) {
    options.signal?.throwIfAborted();
    const { found, next } = await attentionGradients(options, attention, hole, pass);
    yield found;
    const { hidden, attention: output } = pass.cotangents as Record<"hidden" | "attention", HeldRows>;
    output.release();
    pass.cotangents = { residual: hidden, ...(await holdByName(options.store, next)) };
  }
}

/** A segment after a hole: the one before `layer`, which is recurrent if it is not the last of them. */
interface SegmentPlace {
  readonly hole: number;
  readonly layer: number;
}

/** Replaces the cotangents of the outputs of a segment by those of what it reads of the layer before. */
const passSegment = async (options: Backward, place: SegmentPlace, passes: readonly Pass[]): Promise<void> => {
  const { store, signal } = options;
  const vjp = await openSegment(options, place);
  try {
    for (const pass of passes) {
      signal?.throwIfAborted();
      const gradients = await useByName(pass.cotangents, async (cotangents) => vjp.run(pass.states, cotangents));
      releaseByName(pass.cotangents);
      pass.cotangents = await holdByName(store, gradients);
    }
  } finally {
    await vjp.release();
  }
};

/** What a segment reads of the layer before. */
const CROSSING = ["hidden", "attention"];

/** The vector-Jacobian product of a segment. */
interface OpenSegment {
  /** From the cotangents of its outputs to those of the layer before: its outputs, or `hidden` and `attention` of a hole. */
  run(states: ForwardStates, cotangents: SegmentCall["cotangents"]): Promise<Record<string, SampleRows>>;
  release(): Promise<void>;
}

const openSegment = async (
  { decoder: { segments, shape, createState }, createSession }: Backward,
  place: SegmentPlace,
): Promise<OpenSegment> => {
  const { hole, layer } = place;
  const start = createState();
  const isRecurrent = layer < layerAfter(shape, hole);
  const isAfterHole = layer === modelLayers(shape)[hole]! + 1;
  const inputs = [...CROSSING, ...(isRecurrent ? start.names.map(pastOf) : [])];
  const session = await openVjp(await segments.before(layer), createSession, { inputs, known: ["residual"] });
  return {
    run: async (states, cotangents) => {
      const gradients = await withSegment(states, place, async (tensors, pasts) => {
        const feeds = { ...tensors, ...segments.positionInputs(states.positions, layer) };
        const call = { feeds, cotangents };
        return isRecurrent
          ? runRecurrentVjp(session, { ...call, start, layer, states: pasts }, CROSSING)
          : runSegmentVjp(session, call, CROSSING);
      });
      const { hidden, attention } = gradients as { hidden: SampleRows; attention: SampleRows };
      return isAfterHole ? gradients : { residual: hidden, [MIXED]: attention };
    },
    release: () => session.release(),
  };
};

/** Passes on the tensors between the layers before and after a segment, and the states of the layer after if it is recurrent. */
const withSegment = async <Result>(
  { holes, recurrent, last, tokens }: ForwardStates,
  { hole, layer }: SegmentPlace,
  work: (tensors: Tensors, pasts: readonly Float32Array[]) => Promise<Result>,
): Promise<Result> => {
  const before = recurrent.get(layer - 1);
  const after = recurrent.get(layer) ?? holes[hole + 1] ?? last;
  const tensor = (array: Float32Array | undefined): Tensor => rowsOf(array!, tokens, 0, tokens);
  return (before ?? holes[hole]!).use(async ([hidden, second, third]) =>
    after.use(async ([residual, , ...pasts]) => {
      const attention = before ? second : third;
      return work({ hidden: tensor(hidden), attention: tensor(attention), residual: tensor(residual) }, pasts);
    }),
  );
};

/** What a hole gives, and the cotangents of the outputs of the segment before it but for its residuals. */
interface HoleResult {
  readonly found: HoleGradients;
  readonly next: Readonly<Record<string, SampleRows>>;
}

/** Goes through the attention of a hole. */
const attentionGradients = async (
  { decoder, reachesFirst = true }: Backward,
  attention: AttentionVjp,
  hole: number,
  { states, text, cotangents, caches }: Pass,
): Promise<HoleResult> => {
  const place = holesOf(decoder.shape)[hole]!;
  return withState(decoder.shape, states, hole, async (state) =>
    cotangents["attention"]!.use(async (output) => {
      const found = { hole, text, state, output: output.data };
      if (hole === 0 && !reachesFirst) return { found, next: {} };
      const cache = caches.get(place.layer) ?? emptyCache(decoder.shape, hole, output);
      const query = await attention.run(hole, state, output, cache);
      if (place.sharing !== undefined) {
        caches.set(place.layer, cache);
        return { found: { ...found, query: query.data }, next: { query } };
      }
      caches.delete(place.layer);
      const gradients = { ...found, query: query.data, key: cache.key.data, value: cache.value.data };
      return { found: { ...gradients, ...withoutRope(decoder, hole, states, cache) }, next: { query, ...cache } };
    }),
  );
};

/** Before RoPE, if the model's positions are tables. */
const withoutRope = (
  { segments, shape }: Decoder,
  hole: number,
  { positions }: ForwardStates,
  { key }: CacheGradients,
): Pick<HoleGradients, "keyBeforeRope"> => {
  if (positions.ids !== undefined) return {};
  const { cosine, sine } = segments.positionInputs(positions, modelLayers(shape)[hole]!) as Partial<
    Record<"cosine" | "sine", Tensor>
  >;
  if (!cosine || !sine) return { keyBeforeRope: () => key.data };
  const table = { cosine: cosine.data as Float32Array, sine: sine.data as Float32Array };
  const { headSize } = holeShape(shape, holesOf(shape)[hole]!);
  return { keyBeforeRope: () => turnedBack(key, headSize, table) };
};

const emptyCache = (shape: CacheShape, hole: number, { samples, rows }: SampleRows): CacheGradients => {
  const { kvHeads, headSize, valueSize = headSize } = holeShape(shape, holesOf(shape)[hole]!);
  return { key: zeroRows(samples, rows, kvHeads * headSize), value: zeroRows(samples, rows, kvHeads * valueSize) };
};

/** Passes on what a hole read and computed; keys and values may be those of a hole before. */
const withState = async <Result>(
  shape: CacheShape,
  { holes }: ForwardStates,
  hole: number,
  work: (state: HoleGradients["state"]) => Promise<Result>,
): Promise<Result> => {
  const places = holesOf(shape);
  const { layer } = places[hole]!;
  const storing = places.findIndex((place) => place.layer === layer && place.sharing === undefined);
  return holes[hole]!.use(async ([, query, output]) =>
    holes[storing]!.use(async ([, , , key, value]) =>
      work({ query: query!, key: key!, value: value!, output: output! }),
    ),
  );
};
