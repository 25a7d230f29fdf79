import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Qwen2 and Qwen2.5. */
export const qwen2: Family = {
  rope: commonRope,
  projection: async (layer) => separateProjection(layer, { ropeRows: "halves", needsBias: true }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};

/** Qwen1.5 and Qwen2 with experts, one of them shared. */
export const qwen2moe: Family = {
  ...qwen2,
  mayHaveExperts: true,
  feedForward: async (layer) => gatedFeedForward(layer, "silu", { softmaxOf: "all" }),
};
