import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Llama 3.x, SmolLM2 and Mixtral. llama.cpp's converter reorders the rows of query and key. */
export const llama: Family = {
  mayHaveExperts: true,
  rope: commonRope,
  projection: async (layer) => separateProjection(layer, { ropeRows: "neighbours" }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};
