import { shortConvolution } from "../recurrent/short-convolution.ts";
import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, headNorms, separateProjection } from "./pieces.ts";

/** LFM2: short convolutions, and attention in some layers. */
export const lfm2: Family = {
  rope: commonRope,
  recurrent: shortConvolution,
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves" })),
    ...(await headNorms(layer)),
  }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu", { recurrent: shortConvolution }),
};
