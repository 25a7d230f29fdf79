import type { HoleGradients } from "../backward/backward.ts";
import { noise } from "./noise.ts";
import type { InnerTensor } from "./reference-decoder.ts";

/**
 * Gradients of the product of the logits with `noise("cotangent")`, by tensor and layer: the norm, then the products with
 * `noise("TENSOR.LAYER.INDEX")`, of INDEX 0, 1, ...; null for keys and values of layers that share them. By PyTorch's autograd in double precision, from `tools/family_gradients.py`.
 */
export type GradientSummary = Readonly<Record<InnerTensor, readonly (readonly number[] | null)[]>>;

/** The cotangent of the logits, `[tokens, vocabulary]`. */
export const summaryCotangent = (tokens: number, vocabulary: number): Float32Array =>
  Float32Array.from({ length: tokens * vocabulary }, noise("cotangent"));

/** Differences between the gradients of a hole and a summary, over the norm, by tensor. */
export const summaryErrors = (found: HoleGradients, expected: GradientSummary): Record<string, number> =>
  Object.fromEntries(
    Object.entries(gradientsOf(found)).map(([tensor, gradient]) => {
      const numbers = expected[tensor as InnerTensor][found.hole];
      if (!numbers)
        throw new Error(`expected no gradient of ${tensor} of hole ${found.hole}, got one; make the fixture again`);
      const actual = summary(gradient, `${tensor}.${found.hole}`, numbers.length);
      return [tensor, Math.max(...actual.map((x, index) => Math.abs(x - numbers[index]!))) / numbers[0]!];
    }),
  );

const gradientsOf = ({ output, query, key, value, keyBeforeRope }: HoleGradients): Record<string, Float32Array> => ({
  output,
  query: query!,
  ...(key && { key, value: value!, keyBeforeRope: keyBeforeRope!() }),
});

const summary = (gradient: Float32Array, name: string, count: number): number[] => {
  const products = Array.from({ length: count - 1 }, (_, index) => {
    const next = noise(`${name}.${index}`);
    return gradient.reduce((sum, x) => sum + x * next(), 0);
  });
  return [Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0)), ...products];
};
