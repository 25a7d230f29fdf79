import { layerShape, type CacheShape } from "@kvtuner/plan";
import type { Profile } from "@kvtuner/sensitivity";
import { halvesOf } from "../space/halves.ts";
import type { SearchSpace } from "../space/space.ts";
import type { EvaluationEntry } from "./evaluation-entry.ts";
import { checkedPlaces } from "./gradient/check-estimates.ts";
import { DRAWS } from "./gradient/estimate-layers.ts";
import { isEstimated } from "./profile.ts";

/** What a study cost, in forward passes of the model over its text. Of a task, the profile's text is its first answers. */
export interface PassCounts {
  /** Fitting tables, over the samples that are fitted to. */
  readonly fitting: number;
  readonly profile: number;
  readonly search: number;
  /** Layers measured alone, with their keys, their values or both quantized. */
  readonly measuredCases: number;
}

/** The float cache, and the layers that plans with one quantized layer share. */
const REFERENCE = 2;

/** Layers before the one that is quantized run once for all plans. */
export const passesFrom = (layer: number, { layers }: Pick<CacheShape, "layers">): number => (layers - layer) / layers;

/** Measures every choice at every layer; attention is traced in a pass of its own. */
export const measurePasses = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">): number =>
  1 + REFERENCE + (choices.length * (shape.layers + 1)) / 2;

/**
 * Estimates by gradients, counted by operations: forward, the same again for the activations, and backward through layers without
 * gradients of weights as much for each draw. Each half of a choice costs the attention of its layer.
 */
export const estimatePasses = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">, tokens: number): number => {
  const { halves } = halvesOf({ choices });
  const attentions = halves.length + EXACT_AND_PAIR + BACKWARD_ATTENTION * DRAWS;
  return 2 + DRAWS + attentions * attentionShare(shape, tokens);
};

/** Passes of a profile by gradients: the estimates, and the halves that check them, beside the cache in 16 bits. */
export const gradientPasses = (space: Pick<SearchSpace, "shape" | "choices">, tokens: number): number => {
  const layers = checkedPlaces(space.shape.layers).map((place) => Math.floor(place / 2));
  return layers.reduce((sum, layer) => sum + passesFrom(layer, space.shape), estimatePasses(space, tokens) + REFERENCE);
};

/** Attention with the exact cache, and with one pair as a whole. */
const EXACT_AND_PAIR = 2;

/** Beyond one forward pass: attention has two products forward and four backward. */
const BACKWARD_ATTENTION = 1;

/**
 * Share of attention in the operations of a pass. A layer has about 12 weights per square of its width (Kaplan et al., Scaling laws
 * for neural language models, 2020, section 2.1), and a token attends to half of the tokens on average.
 */
const attentionShare = (shape: CacheShape, tokens: number): number => {
  const { queryHeads, headSize } = layerShape(shape, 0);
  return tokens / (tokens + 12 * queryHeads * headSize);
};

/** What {@link countPasses} counts. */
export interface StudyWork {
  readonly space: Pick<SearchSpace, "shape" | "choices">;
  /** Tokens of a sample. */
  readonly tokens: number;
  /** As the study recorded it; undefined where nothing was fitted. */
  readonly fitting: number | undefined;
  readonly profile: Profile;
  readonly entries: readonly EvaluationEntry[];
  /** Of the task; undefined for a text. */
  readonly prompts: number | undefined;
}

/** What a profile and a search ran, by their records. Work that plans share is counted for each. */
export const countPasses = ({ space, tokens, fitting = 0, profile, entries, prompts }: StudyWork): PassCounts => {
  const isMeasured = ({ kl }: { readonly kl?: number }): boolean => kl !== undefined;
  const measured = profile.layers.flatMap(({ layer, candidates, halves = [] }) =>
    [...candidates, ...halves].filter(isMeasured).map(() => layer),
  );
  const estimated = isEstimated(profile) ? estimatePasses(space, tokens) : 1;
  const reference = measured.length > 0 ? REFERENCE : 0;
  return {
    fitting,
    profile: measured.reduce((sum, layer) => sum + passesFrom(layer, space.shape), estimated + reference),
    search: entries.reduce((sum, { task }) => sum + (task && prompts ? task.prompts / prompts : 1), 0),
    measuredCases: measured.length,
  };
};
