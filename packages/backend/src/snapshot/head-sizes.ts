import {
  layoutOf,
  type LayerScheme,
  type LayerShape,
  type Part,
  partBytes,
  quantizedPrefix,
  type TensorScheme,
} from "@kvtuner/plan";

/** Lengths of the arrays of one {@link HeadImage}. */
export interface HeadSizes {
  /** Arrays of the quantized prefix, in the order of the codec's layout. */
  readonly parts: readonly Part[];
  /** Numbers in 16 bits. */
  readonly exact: number;
  /** Total of all arrays. */
  readonly sizeBytes: number;
}

/** Lengths of the arrays of one head at `length` tokens. Allocates nothing. */
export const headSizes = (
  scheme: TensorScheme,
  layer: LayerScheme,
  { headSize }: LayerShape,
  length: number,
): HeadSizes => {
  const prefix = quantizedPrefix(scheme, layer, length);
  const parts = layoutOf(scheme, { tokens: prefix, headSize });
  const exact = (length - prefix) * headSize;
  return { parts, exact, sizeBytes: parts.reduce((sum, part) => sum + partBytes(part), 2 * exact) };
};
