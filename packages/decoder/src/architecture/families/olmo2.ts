import { commonRope, slidingRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, normsAfter, projectionNorms, separateProjection } from "./pieces.ts";

/** OLMo 2, and OLMo 3, whose files have the same architecture with a span. Norms come after, not before. */
export const olmo2: Family = {
  slidingPeriod: 4,
  rope: (keys, sizes) => {
    const common = commonRope(keys, sizes);
    return slidingRope(common, sizes, keys.number("rope.freq_base_swa", common.tables[0]!.base));
  },
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves", hasNorm: false })),
    ...(await projectionNorms(layer)),
  }),
  feedForward: async (layer) => ({
    ...(await gatedFeedForward(layer, "silu", { norm: "none" })),
    ...(await normsAfter(layer)),
  }),
};
