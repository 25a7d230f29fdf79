import { cachePlaces, holesOf, KvtunerError } from "@kvtuner/plan";
import { additivity, createEstimateSum, meanEstimate, type OutputEstimate } from "@kvtuner/sensitivity";
import { EXACT, halvesOf } from "../../space/halves.ts";
import { schemeAt, type SearchSpace } from "../../space/space.ts";
import type { StudyStorage } from "../../storage/storage.ts";
import type { GradientCheckpoint, PlaceGradients, TunableModel } from "../../tunable-model.ts";
import type { ProfileEntry } from "../profile-entry.ts";
import { appendErrors, TRACE_SAMPLES, type TraceInputs } from "../trace.ts";
import { keptGradients, removeKeptGradients } from "./kept-gradients.ts";

/** A text whose predictions are to stay. */
export interface ProfileText {
  readonly ids: Int32Array;
  /** First position whose prediction counts; in a task, the one that predicts the answer. */
  readonly from: number;
}

/** Input of {@link estimateLayers}. */
export interface EstimateInputs extends Omit<TraceInputs, "samples"> {
  readonly texts: readonly ProfileText[];
  readonly gradients: NonNullable<TunableModel["gradients"]>;
  /** Of the labels. */
  readonly seed: number;
  /** Keeps the backward pass until it is done. */
  readonly storage: StudyStorage;
  /** False leaves out the attention errors, whose time grows with the number of pairs; true by default. */
  readonly tracesErrors?: boolean;
}

/** Draws of labels. Four leave plans within 2% of those of a measured profile; the passes for more cost more than they gain. */
export const DRAWS = 4;

/**
 * Appends the estimated KL of every half of every layer, one journal line per layer, and its attention errors. One backward pass
 * serves all layers. A resumed run goes on with the layer that it was killed in, after a forward pass.
 */
export const estimateLayers = async (inputs: EstimateInputs): Promise<void> => {
  const { space, texts, journal, callbacks, gradients, seed, storage, tracesErrors = true } = inputs;
  const isKnown = (layer: number): boolean =>
    journal.entries.some((entry) => entry.kind === "gradient" && entry.layer === layer);
  const { layers } = space.shape;
  const missing = Array.from({ length: layers }, (_, layer) => layer).filter((layer) => !isKnown(layer));
  if (missing.length === 0) return removeKeptGradients(storage);
  callbacks.progress({ step: "profile", done: layers - missing.length, total: layers, note: "running backward" });
  const sums = new Map<number, Sums>();
  const { signal } = callbacks;
  const counts = (text: number, position: number): boolean => position >= texts[text]!.from;
  const samples = texts.map(({ ids }) => ids);
  const sizes = { tokens: samples.map(({ length }) => length), draws: DRAWS };
  const checkpoint = usable(space, missing, await keptGradients(storage, sizes, callbacks.warn));
  const { assets } = space;
  const options = { draws: DRAWS, seed, counts, checkpoint, ...(assets && { assets }), ...(signal && { signal }) };
  const pass = gradients(samples, options, async (place) => {
    signal?.throwIfAborted();
    const { layer, isOwn, sample } = place;
    if (!missing.includes(layer)) return;
    const own = sums.get(layer) ?? createSums(space, texts);
    sums.set(layer, own);
    await addPlace(space, own, place);
    if (!isOwn) return;
    const tokens = samples[sample]!.length;
    if (tracesErrors && sample < TRACE_SAMPLES && !isTraced(journal.entries, layer, sample))
      await appendErrors(inputs, { layer, sample, trace: place.trace, tokens });
    if (sample < samples.length - 1) return;
    sums.delete(layer);
    await journal.append(layerEntry(space, layer, own));
    const done = journal.entries.filter(({ kind }) => kind === "gradient").length;
    callbacks.progress({
      step: "profile",
      done,
      total: layers,
      note: `layer ${cachePlaces(space.shape)[layer]} estimated`,
    });
  });
  await pass.catch(async (error: unknown) => {
    // A later run must not go on from the gradients that led here.
    if (error instanceof EstimateError) await removeKeptGradients(storage);
    throw error;
  });
  await removeKeptGradients(storage);
};

/** Starts again if the pass has gone by a layer whose estimate the journal has lost. */
const usable = (
  { shape }: SearchSpace,
  missing: readonly number[],
  checkpoint: GradientCheckpoint,
): GradientCheckpoint => {
  const last = holesOf(shape).findLastIndex(({ layer }) => missing.includes(layer));
  return checkpoint.kept !== undefined && checkpoint.kept.hole <= last ? { keep: checkpoint.keep } : checkpoint;
};

const isTraced = (entries: readonly ProfileEntry[], layer: number, sample: number): boolean =>
  entries.some((entry) => entry.kind === "errors" && entry.layer === layer && entry.sample === sample);

/** Sums by sample and half; the last of a sample is the coarsest choice. */
type Sums = readonly (readonly ReturnType<typeof createEstimateSum>[])[];

const createSums = (space: SearchSpace, texts: readonly ProfileText[]): Sums => {
  const count = halvesOf(space).halves.length + 1;
  return texts.map(({ ids: { length }, from }) =>
    Array.from({ length: count }, () => createEstimateSum(length, DRAWS, length - from)),
  );
};

const addPlace = async (
  space: SearchSpace,
  sums: Sums,
  { sample, layer, gradients, attend }: PlaceGradients,
): Promise<void> => {
  const exact = await attend(EXACT);
  const schemes = [...halvesOf(space).halves, space.choices[coarsest(space)]!].map((half) => schemeAt(half, layer));
  for (const [index, scheme] of schemes.entries())
    sums[sample]![index]!.add({ exact, output: await attend(scheme), gradients });
};

/** The choice of the fewest bits: where halves are least likely to add up. */
const coarsest = ({ codeBits }: SearchSpace): number => {
  const bits = codeBits[0] ?? [];
  return bits.indexOf(Math.min(...bits));
};

const layerEntry = (space: SearchSpace, layer: number, sums: Sums): ProfileEntry => {
  const { halves, ofChoice } = halvesOf(space);
  const bySample = sums.map((own) => own.map((each) => each.result()));
  const over = (index: number): OutputEstimate[] => bySample.map((estimates) => estimates[index]!);
  const [key, value] = ofChoice[coarsest(space)]!;
  const together = (index: number): Pick<OutputEstimate, "kl"> => ({ kl: over(index).flatMap(({ kl }) => kl) });
  const place = cachePlaces(space.shape)[layer]!;
  return {
    kind: "gradient",
    layer,
    halves: halves.map(({ id }, index) => ({ id, ...summary(place, over(index)) })),
    additivity: additivity(together(halves.length), together(key), together(value)),
  };
};

const summary = (
  place: number,
  samples: readonly OutputEstimate[],
): { estimate: number; standardError: number; outputError: number } => {
  const { mean, standardError } = meanEstimate(samples.map(({ kl }) => kl));
  if (!Number.isFinite(mean)) throw new EstimateError(place, mean);
  const outputError = samples.reduce((sum, each) => sum + each.outputError, 0) / samples.length;
  return { estimate: mean, standardError, outputError };
};

/** A gradient or an attention output is NaN or infinite. */
export class EstimateError extends KvtunerError {
  /** @param place the layer's number in the model */
  constructor(place: number, estimate: number) {
    super(
      "PROFILE_NOT_FINITE",
      `expected a finite estimate of the loss of layer ${place}, got ${estimate}; the model's keys, values or weights are NaN or exceed float16`,
    );
    this.name = "EstimateError";
  }
}
