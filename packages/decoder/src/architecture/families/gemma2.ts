import { defaultScale } from "@kvtuner/plan";
import type { Family } from "./family.ts";
import { gemma } from "./gemma.ts";
import { normsAfter } from "./pieces.ts";

/** Gemma 2 27B has its own factor of scores, for which files have no key; llama.cpp also tells it by its layers. */
const LAYERS_OF_27B = 46;

/** Gemma 2: like Gemma 1, with sliding and full layers in turn, norms after, and capped scores and logits. */
export const gemma2: Family = {
  ...gemma,
  slidingPeriod: 2,
  attentionScale: ({ layers, hiddenSize, queryHeads, headSize }) =>
    defaultScale(layers === LAYERS_OF_27B ? hiddenSize / queryHeads : headSize),
  feedForward: async (layer) => ({ ...(await gemma.feedForward(layer)), ...(await normsAfter(layer)) }),
};
