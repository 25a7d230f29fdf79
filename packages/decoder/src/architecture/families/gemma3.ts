import { defaultScale } from "@kvtuner/plan";
import { commonRope, slidingRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, headNorms, normsAfter, separateProjection } from "./pieces.ts";

/** RoPE base of sliding layers in files without a key for it, as in llama.cpp. */
const SLIDING_BASE = 10_000;

/** Gemma 3 27B has its own factor of scores, for which files have no key; llama.cpp also tells it by its layers. */
const LAYERS_OF_27B = 62;

/** Gemma 3, its text part. The converter has added 1 to the weights of all norms. */
export const gemma3: Family = {
  slidingPeriod: 6,
  rope: (keys, sizes) => slidingRope(commonRope(keys, sizes), sizes, keys.number("rope.freq_base_swa", SLIDING_BASE)),
  embeddingScale: ({ hiddenSize }) => Math.sqrt(hiddenSize),
  attentionScale: ({ layers, hiddenSize, queryHeads, headSize }) =>
    defaultScale(layers === LAYERS_OF_27B ? hiddenSize / queryHeads : headSize),
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves" })),
    ...(await headNorms(layer)),
  }),
  feedForward: async (layer) => ({
    ...(await gatedFeedForward(layer, "gelu")),
    ...(await normsAfter(layer)),
  }),
};
