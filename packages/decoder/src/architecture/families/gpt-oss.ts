import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/**
 * gpt-oss: sliding and full layers in turn, a sink logit for each head, experts. YaRN's ramp is as in training; llama.cpp
 * rounds its ends.
 */
export const gptOss: Family = {
  slidingPeriod: 2,
  mayHaveExperts: true,
  rope: (keys, sizes) => commonRope(keys, sizes, { isYarnRampWhole: false }),
  projection: async (layer) => separateProjection(layer, { ropeRows: "halves", needsBias: true }),
  feedForward: async (layer) => gatedFeedForward(layer, "clamped-swiglu", { norm: "post_attention_norm" }),
};
