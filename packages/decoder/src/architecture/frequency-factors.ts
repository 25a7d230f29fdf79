import { readVector } from "./read-weights.ts";
import type { RopeSpec } from "./rope.ts";
import type { WeightSource } from "./weights.ts";

/**
 * The file's divisors of the frequencies of a RoPE table, if it has any.
 *
 * @throws ModelError `MODEL_TENSOR_SHAPE`, `MODEL_TENSOR_MISSING` for a table that needs them
 */
export const frequencyFactors = async (
  source: WeightSource,
  { factorsTensor, needsFactors = false, dimensions }: RopeSpec,
): Promise<Float32Array | undefined> =>
  factorsTensor !== undefined && (needsFactors || source.tensors.has(factorsTensor))
    ? readVector(source, factorsTensor, dimensions / 2)
    : undefined;
