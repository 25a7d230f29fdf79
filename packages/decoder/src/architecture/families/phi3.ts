import type { ModelKeys } from "../model-keys.ts";
import { commonRope } from "../rope-scaling.ts";
import type { RopeConfig } from "../rope.ts";
import type { Family, FamilySizes } from "./family.ts";
import { fusedFeedForward, fusedProjection } from "./pieces.ts";

/**
 * A set of frequency factors for sequences up to the context that the model was first trained for, and one for longer ones.
 * As in llama.cpp, the intended context chooses; see docs/decisions/2026-11-30-choose-rope-factors-at-load.md.
 */
const longRope = (keys: ModelKeys, sizes: FamilySizes): RopeConfig => {
  const { tables, tableOf } = commonRope(keys, sizes, { hasFactorTensors: true });
  const original = keys.optionalNumber("rope.scaling.original_context_length") ?? Infinity;
  const isLong = (sizes.intendedContext ?? 0) > original;
  const factorsTensor = isLong ? "rope_factors_long.weight" : "rope_factors_short.weight";
  return {
    tables: tables.map((table) => ({ ...table, factorsTensor })),
    tableOf,
    ...(!isLong && original < keys.number("context_length") && { contextLength: original }),
  };
};

/** Phi-3, Phi-3.5 and Phi-4-mini: fused matrices, and RoPE in a part of each head. */
export const phi3: Family = {
  rope: longRope,
  projection: fusedProjection,
  feedForward: async (layer) => fusedFeedForward(layer, "silu"),
};
