import { boundedLayer, type KernelScheme, kernelScheme } from "@kvtuner/backend";
import { type CacheShape, type LayerScheme, quantizedPrefix, type TensorScheme } from "@kvtuner/plan";
import { encodedBytes } from "@kvtuner/quantizers";
import { MAX_TOKENS } from "../capabilities.ts";

/** Tokens of a page of codes, and of one of 16-bit numbers: as in kernels/tensor.cuh. */
export const CODE_PAGE_TOKENS = 128;
export const EXACT_PAGE_TOKENS = 64;

/** Storage of the keys or values of one layer. */
export interface TensorLayout {
  readonly scheme: TensorScheme;
  readonly numbers: KernelScheme;
  /** Whose residency says which tokens are coded. */
  readonly layer: LayerScheme;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** The layout of keys, or values, under a layer scheme; all its numbers are such that the kernels can count them. */
export const layoutOf = (
  layer: LayerScheme,
  tensor: "key" | "value",
  { kvHeads, headSize }: CacheShape,
): TensorLayout => {
  const bounded = boundedLayer(layer, MAX_TOKENS);
  const scheme = bounded[tensor];
  return { scheme, numbers: kernelScheme(scheme, headSize), layer: bounded, kvHeads, headSize };
};

/** Tokens behind the sinks that are read from codes at a length. */
export const prefixAt = ({ scheme, layer }: TensorLayout, length: number): number =>
  quantizedPrefix(scheme, layer, length);

/** Bytes of a page of codes: what its tokens take under the plan, no more. */
export const codePageBytes = ({ scheme, kvHeads, headSize }: TensorLayout): number =>
  kvHeads * encodedBytes(CODE_PAGE_TOKENS, headSize, scheme);

/** Bytes of a page of 16-bit numbers. */
export const exactPageBytes = ({ kvHeads, headSize }: TensorLayout): number =>
  2 * kvHeads * headSize * EXACT_PAGE_TOKENS;
