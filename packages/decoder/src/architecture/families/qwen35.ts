import { gatedDeltaNet } from "../recurrent/gated-delta-net.ts";
import { commonRope } from "../rope-scaling.ts";
import type { Family } from "./family.ts";
import { attentionGate, gatedFeedForward, headNorms, separateProjection } from "./pieces.ts";

/** Qwen3.5, 3.6 and 3.8, dense: Gated DeltaNet, and attention with a gate in every fourth layer. */
export const qwen35: Family = {
  rope: commonRope,
  recurrent: gatedDeltaNet,
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves", isGated: true })),
    ...(await headNorms(layer)),
  }),
  feedForward: async (layer) => ({
    ...(await gatedFeedForward(layer, "silu", { norm: "post_attention_norm", recurrent: gatedDeltaNet })),
    ...(!layer.isRecurrent && { gate: await attentionGate(layer) }),
  }),
};

/** The same with experts, one of them shared. */
export const qwen35moe: Family = { ...qwen35, mayHaveExperts: true };
