import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Granite 3.x, dense: Llama with factors for the embedding, the residuals and the logits. */
export const granite: Family = {
  rope: (keys, sizes) => {
    const common = commonRope(keys, sizes);
    // As in llama.cpp, this key turns RoPE off.
    return keys.value("rope.scaling.finetuned") === false
      ? { ...common, tableOf: sizes.slides.map(() => undefined) }
      : common;
  },
  embeddingScale: (_, keys) => keys.number("embedding_scale", 1),
  residualScale: (keys) => keys.number("residual_scale", 1),
  logitScale: (keys) => 1 / keys.number("logit_scale"),
  projection: async (layer) => separateProjection(layer, { ropeRows: "neighbours" }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};

/** Granite 3.x with experts. */
export const granitemoe: Family = { ...granite, mayHaveExperts: true };
