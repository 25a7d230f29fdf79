import { trainedShare, type YarnSpec } from "./yarn.ts";

/** One kind of RoPE; layers with the same kind share its table of cosines and sines. */
export interface RopeSpec {
  readonly base: number;
  /** Leading channels of a head that are rotated. */
  readonly dimensions: number;
  /** Divisor of every frequency (linear scaling), or of the slow ones (YaRN); 1 without scaling. */
  readonly linearFactor: number;
  /** How YaRN mixes divided and trained frequencies. */
  readonly yarn?: YarnSpec;
  /** Factor of cosines and sines. */
  readonly magnitude: number;
  /** Tensor with a divisor for each frequency, used if the file has it. */
  readonly factorsTensor?: string;
  /** Whether the file must have it; false by default. */
  readonly needsFactors?: boolean;
}

/** RoPE of all layers. */
export interface RopeConfig {
  readonly tables: readonly RopeSpec[];
  /** Index of each layer's table; undefined for a layer without RoPE. */
  readonly tableOf: readonly (number | undefined)[];
  /** Tokens up to which these tables hold, if fewer than the model was trained for. */
  readonly contextLength?: number;
}

/** Cosines and sines of RoPE, each float32 `[positions, dimensions / 2]`. */
export interface RopeTable {
  readonly cosine: Float32Array;
  readonly sine: Float32Array;
}

/**
 * Cosines and sines, times the magnitude, of angles in double precision: without YaRN
 * `position / (linearFactor * frequencyFactor[i]) * base^(-2i / dimensions)`.
 *
 * @param frequencyFactors one divisor per frequency (Llama 3 scaling)
 */
export const ropeTable = (spec: RopeSpec, positions: ArrayLike<number>, frequencyFactors?: Float32Array): RopeTable => {
  const frequencies = inverseFrequencies(spec, frequencyFactors);
  const half = frequencies.length;
  const cosine = new Float32Array(positions.length * half);
  const sine = new Float32Array(positions.length * half);
  for (let row = 0; row < positions.length; row++)
    for (let i = 0; i < half; i++) {
      const angle = positions[row]! * frequencies[i]!;
      cosine[row * half + i] = spec.magnitude * Math.cos(angle);
      sine[row * half + i] = spec.magnitude * Math.sin(angle);
    }
  return { cosine, sine };
};

/** Radians per position of each pair of rotated channels. */
export const inverseFrequencies = (
  { base, dimensions, linearFactor, yarn }: RopeSpec,
  frequencyFactors?: Float32Array,
): Float64Array =>
  Float64Array.from({ length: dimensions / 2 }, (_, i) => {
    const trained = base ** ((-2 * i) / dimensions) / (frequencyFactors?.[i] ?? 1);
    const share = yarn ? trainedShare(yarn, i) : 0;
    return trained * share + (trained / linearFactor) * (1 - share);
  });
