import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, projectionNorms, separateProjection } from "./pieces.ts";

/** OLMoE: experts, and norms of query and key over all heads. */
export const olmoe: Family = {
  mayHaveExperts: true,
  rope: commonRope,
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves" })),
    ...(await projectionNorms(layer)),
  }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu", { softmaxOf: "all" }),
};
