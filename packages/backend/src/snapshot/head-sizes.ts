import {
  heldTokens,
  layerSpan,
  layoutOf,
  type LayerScheme,
  type LayerShape,
  type Part,
  partBytes,
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
export const headSizes = (scheme: TensorScheme, layer: LayerScheme, shape: LayerShape, length: number): HeadSizes => {
  const { headSize } = shape;
  const held = heldTokens(scheme, layer, layerSpan(shape), length);
  const parts = layoutOf(scheme, { tokens: held.coded, headSize });
  const exact = held.exact * headSize;
  return { parts, exact, sizeBytes: parts.reduce((sum, part) => sum + partBytes(part), 2 * exact) };
};
