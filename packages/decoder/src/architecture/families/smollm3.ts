import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** The last layer of each such period has no RoPE. Files have no key for it; llama.cpp has the same constant. */
const PERIOD = 4;

/** SmolLM3: Llama with layers without RoPE. */
export const smollm3: Family = {
  rope: (keys, sizes) => ({
    ...commonRope(keys, sizes),
    tableOf: sizes.slides.map((_, layer) => (layer % PERIOD === PERIOD - 1 ? undefined : 0)),
  }),
  projection: async (layer) => separateProjection(layer, { ropeRows: "neighbours" }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};
