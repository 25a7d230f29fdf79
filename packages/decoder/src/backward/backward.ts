import { type CacheShape, holesOf, holeShape, modelLayers } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { Decoder } from "../decoder.ts";
import type { CreateSession } from "../session.ts";
import { type AttentionVjp, type CacheGradients, createAttentionVjp } from "./attention-vjp.ts";
import { unsupported } from "./backward-error.ts";
import { type ForwardStates, forwardStates, type HoleArrays, memoryStore, type StateStore } from "./forward-states.ts";
import { createHeadVjp, type LogitCotangent } from "./head-vjp.ts";
import { type SampleRows, zeroRows } from "./sample-rows.ts";
import { runSegmentVjp } from "./segment-vjp.ts";
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
  /** Holds the states of the forward pass; in memory by default. */
  readonly store?: StateStore;
  /**
   * Whether the gradients of query, key and value of the first hole are wanted too; true by default. Those of later holes are a
   * by-product.
   */
  readonly reachesFirst?: boolean;
  /** Aborts between two steps. */
  readonly signal?: AbortSignal;
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
  const { decoder, createSession, signal, store = memoryStore, texts } = options;
  if (decoder.shape.recurrent) throw unsupported("recurrent layers");
  const states = await forwardStates({ decoder, texts, store, signal });
  const residuals = await headGradients(options, states);
  const attention = await createAttentionVjp(decoder.shape, createSession);
  try {
    const passes = states.map((one, text) => startPass(one, text, residuals[text]!));
    for (let hole = holesOf(decoder.shape).length - 1; hole >= 0; hole--)
      yield* passHole(options, attention, hole, passes);
  } finally {
    await attention.dispose();
    for (const { holes, last } of states) for (const held of [...holes, last]) held.release();
  }
}

/** Gradients of the last residuals of each text. */
const headGradients = async (
  { decoder, createSession, samples, cotangent, signal }: BackwardOptions,
  states: readonly ForwardStates[],
): Promise<SampleRows[]> => {
  const head = await createHeadVjp(decoder, createSession);
  try {
    const gradients: SampleRows[] = [];
    for (const [text, { last }] of states.entries()) {
      signal?.throwIfAborted();
      gradients.push(await last.use(async ([residual]) => head.run(text, residual!, samples, cotangent)));
    }
    return gradients;
  } finally {
    await head.dispose();
  }
};

/** A text on its way back. */
interface Pass {
  readonly states: ForwardStates;
  readonly text: number;
  /** Of the outputs of the segment that comes next, by their names. */
  cotangents: Readonly<Record<string, SampleRows>>;
  /** Of the keys and values of layers whose holes are not all behind. */
  readonly caches: Map<number, CacheGradients>;
}

const startPass = (states: ForwardStates, text: number, residual: SampleRows): Pass => ({
  states,
  text,
  cotangents: { residual },
  caches: new Map(),
});

async function* passHole(
  options: BackwardOptions,
  attention: AttentionVjp,
  hole: number,
  passes: readonly Pass[],
): AsyncGenerator<HoleGradients> {
  await passSegment(options, hole, passes);
  for (const pass of passes) {
    options.signal?.throwIfAborted();
    yield await attentionGradients(options, attention, hole, pass);
  }
}

/** Replaces the cotangents of the outputs of the segment after a hole by those of its inputs, `hidden` and `attention`. */
const passSegment = async (
  { decoder, createSession, signal }: BackwardOptions,
  hole: number,
  passes: readonly Pass[],
): Promise<void> => {
  const inputs = ["hidden", "attention"];
  const following = modelLayers(decoder.shape)[hole]! + 1;
  const model = await decoder.segments.before(following);
  const session = await openVjp(model, createSession, { inputs, known: ["residual"] });
  try {
    for (const pass of passes) {
      signal?.throwIfAborted();
      const { holes, last, positions, tokens } = pass.states;
      const rows = (data: Float32Array): Tensor => new Tensor("float32", data, [tokens, data.length / tokens]);
      pass.cotangents = await holes[hole]!.use(async ([hidden, , output]) =>
        (holes[hole + 1] ?? last).use(async ([residual]) => {
          const crossing = { hidden: rows(hidden!), attention: rows(output!), residual: rows(residual!) };
          const feeds = { ...crossing, ...decoder.segments.positionInputs(positions, following) };
          return runSegmentVjp(session, { feeds, cotangents: pass.cotangents }, inputs);
        }),
      );
    }
  } finally {
    await session.release();
  }
};

/** Goes through the attention of a hole, up to the cotangents of the outputs of the segment before it. */
const attentionGradients = async (
  { decoder, reachesFirst = true }: BackwardOptions,
  attention: AttentionVjp,
  hole: number,
  pass: Pass,
): Promise<HoleGradients> => {
  const { states, text, cotangents, caches } = pass;
  const { hidden, attention: output } = cotangents as { hidden: SampleRows; attention: SampleRows };
  const place = holesOf(decoder.shape)[hole]!;
  return withState(decoder.shape, states, hole, async (state) => {
    const found = { hole, text, state, output: output.data };
    if (hole === 0 && !reachesFirst) return found;
    const cache = caches.get(place.layer) ?? emptyCache(decoder.shape, hole, output);
    const query = await attention.run(hole, state, output, cache);
    const isStored = place.sharing === undefined;
    if (isStored) caches.delete(place.layer);
    else caches.set(place.layer, cache);
    pass.cotangents = { residual: hidden, query, ...(isStored && cache) };
    if (!isStored) return { ...found, query: query.data };
    const gradients = { ...found, query: query.data, key: cache.key.data, value: cache.value.data };
    return { ...gradients, ...withoutRope(decoder, hole, states, cache) };
  });
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
