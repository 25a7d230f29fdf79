import type { ModelKeys } from "./model-keys.ts";

/** Attention temperature: queries at positions beyond a context that the model was first trained for grow. */
export interface AttentionTemperature {
  readonly scale: number;
  /** Tokens after which the factor of queries takes its next step. */
  readonly contextLength: number;
}

/**
 * Reads `attention.temperature_scale`; converters write 0 for no temperature.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const readTemperature = (keys: ModelKeys): AttentionTemperature | undefined => {
  const key = "attention.temperature_scale";
  if (Number(keys.value(key) ?? 0) === 0) return undefined;
  return {
    scale: keys.number(key),
    contextLength: keys.number("rope.scaling.original_context_length", keys.number("context_length")),
  };
};

/** Factor of the query at each position: `1 + scale * log(1 + floor(position / contextLength))`. */
export const queryFactors = (
  { scale, contextLength }: AttentionTemperature,
  positions: ArrayLike<number>,
): Float32Array =>
  Float32Array.from(positions, (position) => 1 + scale * Math.log(1 + Math.floor(position / contextLength)));
