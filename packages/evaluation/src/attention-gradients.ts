import {
  backward,
  type BackwardCheckpoint,
  type CreateSession,
  type Decoder,
  type HoleGradients,
} from "@kvtuner/decoder";
import { type Asset, holesOf, type LayerScheme } from "@kvtuner/plan";
import { createActivationStore } from "./activation-store.ts";
import { type ActivationOptions, storeOptionsOf } from "./activations.ts";
import { givenLabels, predictedLabels, type PredictedLabels } from "./labels.ts";
import { createSampleAttention, type SampleAttention, type SampleTensors } from "./sample-attention.ts";

/** One hole over one sample, at the float model's queries, keys and values. */
export interface HoleSample {
  /** Index of the sample. */
  readonly sample: number;
  /** The layer whose cache is read. */
  readonly layer: number;
  /** Whether the layer itself attends here, not one that shares its cache. */
  readonly isOwn: boolean;
  readonly trace: SampleTensors;
  /** By draw: gradient of the labels' log-likelihood with respect to the attention output, float32 `[tokens, queryHeads * valueSize]`. */
  readonly gradients: readonly Float32Array[];
  /**
   * The attention output with the layer's cache under a scheme, laid out as a gradient.
   *
   * @param assets static tables that the scheme names; those of the options by default
   */
  attend(scheme: LayerScheme, assets?: readonly Asset[]): Promise<Float32Array>;
}

/** Options of {@link attentionGradients}. */
export interface GradientOptions
  extends Omit<PredictedLabels, "vocabulary">, Pick<ActivationOptions, "memoryBytes" | "openSpill"> {
  readonly createSession: CreateSession;
  /** Random combinations of labels; each gives one gradient. */
  readonly draws: number;
  /** Labels as the model predicts them (default), or the tokens that really follow, which make one draw. */
  readonly labels?: "predicted" | "next";
  /** Static tables that the schemes of {@link HoleSample.attend} name. */
  readonly assets?: readonly Asset[];
  /** Lets a later call with the same samples, draws and labels go on where this one was cut short. */
  readonly checkpoint?: BackwardCheckpoint;
  readonly signal?: AbortSignal;
}

/**
 * Runs samples forward and backward, and visits every hole from the last to the first, and there every sample in order. What a visit
 * receives is valid until it is done. The states of the forward pass and the cotangents are held up to a memory limit, and beyond it in a file.
 *
 * @throws BackwardError for a model with an operator whose derivative is not known
 */
export const attentionGradients = async (
  decoder: Decoder,
  samples: readonly Int32Array[],
  {
    createSession,
    draws,
    seed,
    counts,
    labels = "predicted",
    assets,
    checkpoint,
    signal,
    ...activations
  }: GradientOptions,
  visit: (place: HoleSample) => Promise<void>,
): Promise<void> => {
  const store = createActivationStore(storeOptionsOf(activations));
  const attention = createSampleAttention(decoder.shape, decoder.attention, assets);
  const vocabulary = decoder.vocabularySize;
  const cotangent =
    labels === "predicted"
      ? predictedLabels({ vocabulary, seed, counts })
      : givenLabels(vocabulary, (text, position) => samples[text]![position + 1]);
  const options = { decoder, createSession, texts: samples, samples: draws, cotangent, store, reachesFirst: false };
  try {
    for await (const found of backward({ ...options, ...(checkpoint && { checkpoint }), ...(signal && { signal }) }))
      await visit(holeSample(decoder, attention, found, draws));
  } finally {
    await store.dispose();
  }
};

const holeSample = (
  { shape }: Decoder,
  attention: SampleAttention,
  { hole, text, state: { output: exact, ...trace }, output }: HoleGradients,
  draws: number,
): HoleSample => {
  const { layer, sharing } = holesOf(shape)[hole]!;
  const fill = attention.layer(hole, trace);
  const gradients = Array.from({ length: draws }, (_, draw) =>
    output.subarray(draw * exact.length, (draw + 1) * exact.length),
  );
  return {
    sample: text,
    layer,
    isOwn: sharing === undefined,
    trace,
    gradients,
    attend: async (scheme, assets) => {
      const attended = new Float32Array(exact.length);
      await fill(scheme, attended, assets);
      return attended;
    },
  };
};
