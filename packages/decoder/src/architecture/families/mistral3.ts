import { commonRope } from "../rope-scaling.ts";
import { readTemperature } from "../temperature.ts";
import type { Family } from "./family.ts";
import { gatedFeedForward, separateProjection } from "./pieces.ts";

/** Ministral 3, its text part: Llama with attention temperature. */
export const mistral3: Family = {
  rope: commonRope,
  temperature: readTemperature,
  projection: async (layer) => separateProjection(layer, { ropeRows: "neighbours" }),
  feedForward: async (layer) => gatedFeedForward(layer, "silu"),
};
