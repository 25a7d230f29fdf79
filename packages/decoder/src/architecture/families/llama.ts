import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Llama 3.x and SmolLM2. llama.cpp's converter reorders the rows of query and key. */
export const llama: Family = {
  rope: commonRope,
  projection: async (layer) => separateProjection(layer, { ropeRows: "neighbours" }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};
