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

/** Differences between the gradients of a hole and a summary, over the norm, by tensor. Both must have the same tensors. */
export const summaryErrors = (found: HoleGradients, expected: GradientSummary): Record<string, number> => {
  const { hole } = found;
  const gradients = gradientsOf(found);
  return Object.fromEntries(
    Object.entries(expected).flatMap(([tensor, holes]) => {
      const [gradient, numbers] = [gradients[tensor as InnerTensor], holes[hole] ?? undefined];
      if ((gradient === undefined) !== (numbers === undefined))
        throw new Error(
          `expected ${numbers ? "a" : "no"} gradient of ${tensor} of hole ${hole}, got ${gradient ? "one" : "none"}; correct \`backward\`, or make the fixture again`,
        );
      if (!gradient || !numbers) return [];
      const actual = summary(gradient, `${tensor}.${hole}`, numbers.length);
      return [[tensor, Math.max(...actual.map((x, index) => Math.abs(x - numbers[index]!))) / numbers[0]!]];
    }),
  );
};

const gradientsOf = (found: HoleGradients): Record<InnerTensor, Float32Array | undefined> => ({
  output: found.output,
  query: found.query,
  key: found.key,
  value: found.value,
  keyBeforeRope: found.keyBeforeRope?.(),
});

const summary = (gradient: Float32Array, name: string, count: number): number[] => {
  const products = Array.from({ length: count - 1 }, (_, index) => {
    const next = noise(`${name}.${index}`);
    return gradient.reduce((sum, x) => sum + x * next(), 0);
  });
  return [Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0)), ...products];
};
