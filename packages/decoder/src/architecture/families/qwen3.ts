import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, headNorms, separateProjection } from "./pieces.ts";

/** Qwen3, dense. */
export const qwen3: Family = {
  rope: commonRope,
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves" })),
    ...(await headNorms(layer)),
  }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};

/** Qwen3 with experts. */
export const qwen3moe: Family = { ...qwen3, mayHaveExperts: true };
