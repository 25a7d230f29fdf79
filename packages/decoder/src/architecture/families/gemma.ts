import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Gemma 1. The converter has added 1 to the weights of all norms. */
export const gemma: Family = {
  rope: commonRope,
  embeddingScale: ({ hiddenSize }) => Math.sqrt(hiddenSize),
  projection: async (layer) => separateProjection(layer, { ropeRows: "halves" }),
  feedForward: async (layer) => gatedFeedForward(layer, "gelu"),
};
