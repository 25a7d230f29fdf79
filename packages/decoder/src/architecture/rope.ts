import type { DecoderConfig } from "./config.ts";

/** Cosines and sines of RoPE, each float32 `[positions, ropeDimensions / 2]`. */
export interface RopeTable {
  readonly cosine: Float32Array;
  readonly sine: Float32Array;
}

/**
 * RoPE angles in double precision: `position / (linearFactor * frequencyFactor[i]) * base^(-2i / dimensions)`.
 *
 * @param frequencyFactors the file's `rope_freqs` tensor (Llama 3 scaling), one divisor per frequency
 */
export const ropeTable = (
  config: Pick<DecoderConfig, "ropeBase" | "ropeDimensions" | "ropeLinearFactor">,
  positions: ArrayLike<number>,
  frequencyFactors?: Float32Array,
): RopeTable => {
  const frequencies = inverseFrequencies(config, frequencyFactors);
  const half = frequencies.length;
  const cosine = new Float32Array(positions.length * half);
  const sine = new Float32Array(positions.length * half);
  for (let row = 0; row < positions.length; row++)
    for (let i = 0; i < half; i++) {
      const angle = positions[row]! * frequencies[i]!;
      cosine[row * half + i] = Math.cos(angle);
      sine[row * half + i] = Math.sin(angle);
    }
  return { cosine, sine };
};

const inverseFrequencies = (
  {
    ropeBase,
    ropeDimensions,
    ropeLinearFactor,
  }: Pick<DecoderConfig, "ropeBase" | "ropeDimensions" | "ropeLinearFactor">,
  frequencyFactors?: Float32Array,
): Float64Array =>
  Float64Array.from(
    { length: ropeDimensions / 2 },
    (_, i) => ropeBase ** ((-2 * i) / ropeDimensions) / (ropeLinearFactor * (frequencyFactors?.[i] ?? 1)),
  );
