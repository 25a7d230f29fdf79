import { boundedLayer, type KernelScheme, kernelScheme } from "@kvtuner/backend";
import { type CacheShape, type LayerScheme, quantizedPrefix, type TensorScheme } from "@kvtuner/plan";
import { encodedBytes } from "@kvtuner/quantizers";
import { MAX_TOKENS } from "../capabilities.ts";

/** Tokens per page of codes, and per page of 16-bit numbers; same as in kernels/tensor.cuh. */
export const CODE_PAGE_TOKENS = 128;
export const EXACT_PAGE_TOKENS = 64;

/** Storage of the keys or values of one layer. */
export interface TensorLayout {
  readonly scheme: TensorScheme;
  readonly numbers: KernelScheme;
  /** The scheme whose residency decides which tokens are codes. */
  readonly layer: LayerScheme;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** The layout of keys or values under a layer scheme, with numbers limited to what the kernels can represent. */
export const layoutOf = (
  layer: LayerScheme,
  tensor: "key" | "value",
  { kvHeads, headSize }: CacheShape,
): TensorLayout => {
  const bounded = boundedLayer(layer, MAX_TOKENS);
  const scheme = bounded[tensor];
  return { scheme, numbers: kernelScheme(scheme, headSize), layer: bounded, kvHeads, headSize };
};

/** Tokens after the sinks that are read from codes at a length. */
export const prefixAt = ({ scheme, layer }: TensorLayout, length: number): number =>
  quantizedPrefix(scheme, layer, length);

/** Bytes of a page of codes: exactly its tokens' bytes under the plan. */
export const codePageBytes = ({ scheme, kvHeads, headSize }: TensorLayout): number =>
  kvHeads * encodedBytes(CODE_PAGE_TOKENS, headSize, scheme);

export const exactPageBytes = ({ kvHeads, headSize }: TensorLayout): number =>
  2 * kvHeads * headSize * EXACT_PAGE_TOKENS;
