import type { Calibration } from "./method.ts";

/** Largest magnitude of each tensor of a layer, as the cache gets it. */
export interface LargestNumbers {
  readonly query: number;
  readonly key: number;
  readonly value: number;
}

/** The largest magnitudes of each layer over the calibration text. */
export const largestNumbers = async ({
  model,
  samples,
}: Pick<Calibration, "model" | "samples">): Promise<LargestNumbers[]> => {
  const largest = Array.from({ length: model.shape.layers }, (): LargestNumbers => ({ query: 0, key: 0, value: 0 }));
  for (const sample of samples)
    await model.trace(sample, (layer, { query, key, value }) => {
      const own = largest[layer]!;
      largest[layer] = {
        query: largestOf(query, own.query),
        key: largestOf(key, own.key),
        value: largestOf(value, own.value),
      };
    });
  return largest;
};

const largestOf = (numbers: Float32Array, least: number): number =>
  numbers.reduce((most, number) => Math.max(most, Math.abs(number)), least);
